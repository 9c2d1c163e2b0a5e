"""redis-py against the server at 127.0.0.1:VIATOR_PORT: python3 -m unittest test_redis_py (tests/clients.rs runs it)."""

import os
import threading
import unittest

import redis

PORT = int(os.environ["VIATOR_PORT"])


class Client(unittest.TestCase):
    protocol = 2

    def connect(self, **options):
        client = redis.Redis(port=PORT, protocol=self.protocol, socket_timeout=10, **options)
        self.addCleanup(client.close)
        return client

    def setUp(self):
        self.r = self.connect(decode_responses=True)
        self.r.flushall()

    def test_strings(self):
        r = self.r
        self.assertTrue(r.ping())
        self.assertTrue(r.set("k", "v", ex=100))
        self.assertEqual(r.get("k"), "v")
        self.assertTrue(0 < r.ttl("k") <= 100)
        self.assertIsNone(r.set("k", "w", nx=True))
        self.assertEqual(r.set("k", "w", get=True), "v")
        self.assertIsNone(r.get("nothing"))
        self.assertEqual(r.incr("n", 5), 5)
        self.assertEqual(r.decr("n"), 4)
        self.assertAlmostEqual(r.incrbyfloat("f", 1.5), 1.5)
        self.assertTrue(r.mset({"a": 1, "b": "2"}))
        self.assertEqual(r.mget("a", "b", "c"), ["1", "2", None])
        self.assertEqual(r.append("a", "23"), 3)
        self.assertEqual(r.getrange("a", 1, -1), "23")
        self.assertEqual(r.setrange("a", 1, "xy"), 3)
        self.assertEqual(r.getdel("a"), "1xy")
        self.assertEqual(r.strlen("b"), 1)

    def test_keys(self):
        r = self.r
        for i in range(1000):
            r.set(f"key:{i}", i)
        self.assertEqual(r.dbsize(), 1000)
        self.assertEqual(sorted(r.scan_iter(match="key:99*", count=50)), sorted(["key:99"] + [f"key:99{i}" for i in range(10)]))
        self.assertEqual(len(r.keys("*")), 1000)
        self.assertEqual(r.delete("key:1", "key:2", "nothing"), 2)
        self.assertEqual(r.exists("key:1", "key:3"), 1)
        self.assertTrue(r.expire("key:3", 100, nx=True))
        self.assertFalse(r.expire("key:3", 50, gt=True))
        self.assertTrue(r.persist("key:3"))
        self.assertEqual(r.ttl("key:3"), -1)
        self.assertTrue(r.rename("key:3", "renamed"))
        self.assertTrue(r.copy("renamed", "copied"))
        self.assertEqual(r.type("copied"), "string")

    def test_bits(self):
        r = self.r
        self.assertEqual(r.setbit("b", 7, 1), 0)
        self.assertEqual(r.getbit("b", 7), 1)
        self.assertEqual(r.bitcount("b"), 1)
        self.assertEqual(r.bitpos("b", 1), 7)
        self.assertEqual(r.bitop("NOT", "c", "b"), 1)
        field = r.bitfield("f").set("u8", 0, 200).incrby("u8", 0, 100, overflow="SAT").get("u8", 0)
        self.assertEqual(field.execute(), [0, 255, 255])

    def test_binary_and_big_values(self):
        r = self.connect()
        every = bytes(range(256))
        r.set(every, every * 2)
        self.assertEqual(r.get(every), every * 2)
        big = os.urandom(1 << 20) * 8
        r.set("big", big)
        self.assertEqual(r.get("big"), big)
        self.assertEqual(r.getrange("big", -3, -1), big[-3:])
        values = [os.urandom(100_000) for _ in range(50)]
        with r.pipeline(transaction=False) as p:
            for i, v in enumerate(values):
                p.set(f"v{i}", v)
            for i in range(len(values)):
                p.get(f"v{i}")
            self.assertEqual(p.execute()[50:], values)

    def test_pipelines(self):
        with self.r.pipeline(transaction=False) as p:
            for i in range(10_000):
                p.incr("n")
            self.assertEqual(p.execute(), list(range(1, 10_001)))
        with self.r.pipeline(transaction=False) as p:
            p.set("s", "x").incr("s").get("s")
            replies = p.execute(raise_on_error=False)
            self.assertIsInstance(replies[1], redis.ResponseError)
            self.assertEqual(replies[2], "x")

    def test_transactions(self):
        with self.r.pipeline() as p:
            p.set("a", 1).incr("a").get("a")
            self.assertEqual(p.execute(), [True, 2, "2"])
        with self.r.pipeline() as p:
            p.watch("a")
            self.r.set("a", "other")
            p.multi()
            p.set("a", "mine")
            with self.assertRaises(redis.WatchError):
                p.execute()
        self.assertEqual(self.r.get("a"), "other")

    def test_watch_and_retry(self):
        """Read, add and write in several threads; nothing gets lost."""
        each, threads = 50, 4

        def add():
            r = self.connect(decode_responses=True)
            for _ in range(each):
                r.transaction(lambda p: self.bump(p), "counter")

        workers = [threading.Thread(target=add) for _ in range(threads)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(self.r.get("counter"), str(each * threads))

    @staticmethod
    def bump(p):
        now = int(p.get("counter") or 0)
        p.multi()
        p.set("counter", now + 1)

    def test_errors(self):
        self.r.set("s", "x")
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            self.r.incr("s")
        with self.assertRaisesRegex(redis.ResponseError, "unknown command"):
            self.r.execute_command("NOSUCHCOMMAND")
        with self.assertRaisesRegex(redis.ResponseError, "wrong number of arguments"):
            self.r.execute_command("GET")
        with self.assertRaisesRegex(redis.ResponseError, "syntax error"):
            self.r.execute_command("SET", "k", "v", "WHAT")
        self.assertTrue(self.r.ping())

    def test_connections(self):
        r = self.connect(client_name="tester", db=3, decode_responses=True)
        self.assertEqual(r.client_getname(), "tester")
        r.set("in3", 1)
        self.assertIsNone(self.r.get("in3"))
        mine = [c for c in self.r.client_list() if c["name"] == "tester"]
        self.assertEqual([c["db"] for c in mine], ["3"])
        self.assertEqual(mine[0]["resp"], str(self.protocol))
        self.assertEqual(self.r.client_kill_filter(_id=mine[0]["id"]), 1)
        # The pool connects again.
        self.assertEqual(r.get("in3"), "1")
        self.assertIn("redis_version", self.r.info())
        self.assertEqual(self.r.config_get("maxmemory"), {"maxmemory": "0"})
        self.assertEqual(self.r.echo("hi"), "hi")
        self.assertEqual(len(self.r.time()), 2)

    def test_scripts(self):
        script = self.r.register_script("return {KEYS[1], ARGV[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
        self.assertEqual(script(keys=["n"], args=[5]), ["n", "5", 5])
        self.r.script_flush()
        self.assertEqual(script(keys=["n"], args=[1]), ["n", "1", 6])
        pipe = self.r.pipeline()
        script(keys=["n"], args=[1], client=pipe)
        script(keys=["n"], args=[2], client=pipe)
        self.assertEqual([r[2] for r in pipe.execute()], [7, 9])
        self.assertEqual(self.r.eval("return {1, 2.5, 'x', true, false}", 0), [1, 2, "x", 1, None])
        with self.assertRaisesRegex(redis.ResponseError, "on @user_script:1"):
            self.r.eval("return redis.call('INCR', KEYS[1], 1)", 1, "n")
        self.r.function_load("#!lua name=lib\nredis.register_function('f', function(keys, args) return args[1] end)", True)
        self.assertEqual(self.r.fcall("f", 0, "x"), "x")
        payload = self.r.function_dump()
        self.r.function_flush()
        self.r.function_restore(payload)
        self.assertEqual(self.r.fcall("f", 0, "y"), "y")
        self.r.function_flush()

    def test_locks(self):
        lock = self.r.lock("lock", timeout=10)
        self.assertTrue(lock.acquire(blocking=False))
        self.assertFalse(self.r.lock("lock").acquire(blocking=False))
        self.assertTrue(lock.owned() and lock.locked())
        self.assertTrue(lock.extend(20) and lock.reacquire())
        lock.release()
        self.assertFalse(lock.locked())
        with self.r.lock("lock", timeout=5):
            self.assertTrue(self.r.exists("lock"))
        self.assertFalse(self.r.exists("lock"))


class ClientResp3(Client):
    protocol = 3


if __name__ == "__main__":
    unittest.main()
