"""RQ against the server at 127.0.0.1:VIATOR_PORT: python -m unittest test_rq (tests/clients.rs runs it)."""

import os
import unittest
from datetime import timedelta

import redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry


def add(a, b):
    return a + b


def fail():
    raise ValueError("as asked")


class Rq(unittest.TestCase):
    def setUp(self):
        self.redis = redis.Redis(port=int(os.environ["VIATOR_PORT"]))
        self.redis.flushall()
        self.queue = Queue(connection=self.redis)

    def tearDown(self):
        self.redis.close()

    def work(self, **options):
        SimpleWorker([self.queue], connection=self.redis).work(burst=True, logging_level="ERROR", **options)

    def test_jobs(self):
        jobs = [self.queue.enqueue(add, i, 1) for i in range(5)]
        self.assertEqual(len(self.queue), 5)
        self.work()
        self.assertEqual([j.return_value() for j in jobs], [1, 2, 3, 4, 5])
        self.assertEqual(Job.fetch(jobs[0].id, connection=self.redis).get_status(), JobStatus.FINISHED)

    def test_failures_and_retries(self):
        job = self.queue.enqueue(fail, retry=Retry(max=2))
        self.work()
        self.assertEqual(job.get_status(), JobStatus.FAILED)
        failed = FailedJobRegistry(queue=self.queue)
        self.assertEqual(failed.get_job_ids(), [job.id])
        failed.requeue(job)
        self.assertEqual(self.queue.job_ids, [job.id])

    def test_dependencies(self):
        first = self.queue.enqueue(add, 1, 2)
        second = self.queue.enqueue(add, 3, 4, depends_on=first)
        self.assertEqual(second.get_status(), JobStatus.DEFERRED)
        self.work()
        self.assertEqual(second.return_value(), 7)

    def test_scheduled(self):
        job = self.queue.enqueue_in(timedelta(hours=1), add, 1, 1)
        self.assertIn(job.id, ScheduledJobRegistry(queue=self.queue))
        job.delete()
        self.assertNotIn(job.id, ScheduledJobRegistry(queue=self.queue))


if __name__ == "__main__":
    unittest.main()
