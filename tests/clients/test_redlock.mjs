// redlock against the server at 127.0.0.1:VIATOR_PORT: node --test test_redlock.mjs (tests/clients.rs runs it).
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Redis } from "ioredis";
import redlock from "redlock";

const Redlock = redlock.default ?? redlock;
const redis = new Redis({ host: "127.0.0.1", port: Number(process.env.VIATOR_PORT) });
const locks = new Redlock([redis], { retryCount: 0 });
locks.on("error", () => {});
beforeEach(() => redis.flushall());
after(() => redis.disconnect());

test("a lock is taken, extended and given back", async () => {
  let lock = await locks.acquire(["a", "b"], 5000);
  assert.ok((await redis.pttl("a")) > 4000);
  await assert.rejects(locks.acquire(["b"], 1000));
  lock = await lock.extend(20000);
  assert.ok((await redis.pttl("b")) > 15000);
  await lock.release();
  assert.equal(await redis.exists("a", "b"), 0);
});

test("a lock ends by itself", async () => {
  await locks.acquire(["short"], 100);
  const patient = new Redlock([redis], { retryCount: 20, retryDelay: 50 });
  await (await patient.acquire(["short"], 1000)).release();
});

test("one at a time", async () => {
  const patient = new Redlock([redis], { retryCount: 200, retryDelay: 10, retryJitter: 10 });
  let inside = 0;
  await Promise.all(
    [...Array(10)].map(() =>
      patient.using(["section"], 5000, async () => {
        assert.equal(++inside, 1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
      }),
    ),
  );
});
