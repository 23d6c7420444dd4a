"""What a person waits for, measured against what people use today: `make benchmark`.

Each benchmark runs its subjects by turns, so that both see the same machine, and compares medians:
times on a shared machine are noise, ratios are not.
"""
