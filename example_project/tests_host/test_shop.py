"""The shop from outside: HTTP from the host to gunicorn in the image, as its customers see it."""

PRIDE_AND_PREJUDICE = "978-0-14-143951-8"


def test_the_shop_is_open(shop):
    assert shop.get("/health").json() == {"environment": "testing", "cache": "up"}


def test_an_order_reaches_the_database(shop, dockerci_services):
    placed = shop.order(isbn=PRIDE_AND_PREJUDICE, quantity=1, card="card_1")
    assert placed.status_code == 201
    order = placed.json()
    assert shop.get(f"/orders/{order['id']}").json() == order

    query = f"SELECT quantity FROM orders WHERE id = '{order['id']}'"
    found = dockerci_services["db"].exec(["psql", "--username=bookshop", "--tuples-only", "--command", query])
    assert found.stdout.strip() == "1"


def test_the_shop_stays_open_while_its_cache_is_away(shop, stopped_cache):
    assert shop.get("/health").json() == {"environment": "testing", "cache": "down"}
    assert shop.get("/books").headers["X-Cache"] == "off"


def test_the_cache_is_used_again_when_it_is_back(shop, dockerci_services):
    dockerci_services["cache"].restart()
    shop.get("/books")
    assert shop.get("/books").headers["X-Cache"] == "hit"


def test_what_is_served_has_neither_tests_nor_pytest(dockerci_services):
    inside = (
        "import importlib.util, os; print(importlib.util.find_spec('pytest'), sorted(os.listdir('/app')))"
    )
    found = dockerci_services["web"].exec(["python", "-c", inside])
    assert found.stdout.strip() == "None ['bookshop', 'requirements.txt']"
