"""Celery, broker and result backend both the server at 127.0.0.1:VIATOR_PORT: python -m unittest test_celery
(tests/clients.rs runs it)."""

import os
import unittest

from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker
from celery.exceptions import TimeoutError as CeleryTimeout

URL = f"redis://127.0.0.1:{os.environ['VIATOR_PORT']}/0"
app = Celery("tests", broker=URL, backend=URL)
app.conf.update(worker_hijack_root_logger=False, task_track_started=True, result_expires=60)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=2)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
def fails():
    raise ValueError("as asked")


class WithCelery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        app.control.purge()
        cls.worker = start_worker(app, perform_ping_check=False, pool="solo")
        cls.worker.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.worker.__exit__(None, None, None)

    def test_results(self):
        results = [add.delay(i, i) for i in range(10)]
        self.assertEqual([r.get(timeout=30) for r in results], [2 * i for i in range(10)])
        self.assertEqual(results[0].state, "SUCCESS")

    def test_failures(self):
        result = fails.delay()
        with self.assertRaises(ValueError):
            result.get(timeout=30)
        self.assertEqual(result.state, "FAILURE")

    def test_retries(self):
        self.assertEqual(stubborn.delay().get(timeout=30), 2)

    def test_groups_chains_chords(self):
        self.assertEqual(group(add.s(i, 1) for i in range(5))().get(timeout=30), [1, 2, 3, 4, 5])
        self.assertEqual(chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=30), 10)
        self.assertEqual(chord((add.s(i, i) for i in range(4)), total.s())().get(timeout=30), 12)

    def test_later(self):
        result = add.apply_async((1, 1), countdown=1)
        with self.assertRaises(CeleryTimeout):
            result.get(timeout=0.2)
        self.assertEqual(result.get(timeout=30), 2)


if __name__ == "__main__":
    unittest.main()
