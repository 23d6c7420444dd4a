import asyncio
import unittest

import pytest


@pytest.mark.asyncio
async def test_pass():
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_fail():
    await asyncio.sleep(0)
    assert 0, "async"


async def test_unmarked():
    await asyncio.sleep(0)


class TestIsolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.value = 1

    async def test_pass(self):
        await asyncio.sleep(0)
        self.assertEqual(self.value, 1)

    async def test_fail(self):
        self.assertEqual(self.value, 2)
