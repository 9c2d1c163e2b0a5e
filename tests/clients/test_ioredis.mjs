// ioredis against the server at 127.0.0.1:VIATOR_PORT: node --test test_ioredis.mjs (tests/clients.rs runs it).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, beforeEach, test } from "node:test";
import { Redis } from "ioredis";

const port = Number(process.env.VIATOR_PORT);
const open = (options = {}) => new Redis({ port, host: "127.0.0.1", ...options });
const redis = open();
const others = [];
const another = (options) => {
  const client = open(options);
  others.push(client);
  return client;
};
beforeEach(() => redis.flushall());
after(() => [redis, ...others].forEach((c) => c.disconnect()));

test("strings", async () => {
  assert.equal(await redis.set("k", "v", "EX", 100), "OK");
  assert.equal(await redis.get("k"), "v");
  assert.ok((await redis.ttl("k")) > 90);
  assert.equal(await redis.set("k", "w", "NX"), null);
  assert.equal(await redis.get("nothing"), null);
  assert.equal(await redis.incrby("n", 41), 41);
  assert.equal(await redis.incrbyfloat("f", 1.5), "1.5");
  assert.equal(await redis.mset({ a: "1", b: "2" }), "OK");
  assert.deepEqual(await redis.mget("a", "b", "c"), ["1", "2", null]);
});

test("binary and big values", async () => {
  const big = randomBytes(4 << 20);
  await redis.set("big", big);
  assert.ok(big.equals(await redis.getBuffer("big")));
  assert.equal(await redis.strlen("big"), big.length);
});

test("pipelines", async () => {
  const p = redis.pipeline();
  for (let i = 0; i < 5000; i++) p.incr("n");
  const replies = await p.exec();
  assert.deepEqual(replies.map(([, n]) => n), Array.from({ length: 5000 }, (_, i) => i + 1));
  const mixed = await redis.pipeline().set("s", "x").incr("s").get("s").exec();
  assert.match(mixed[1][0].message, /not an integer/);
  assert.equal(mixed[2][1], "x");
});

test("automatic pipelines", async () => {
  const auto = another({ enableAutoPipelining: true });
  const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => auto.set(`k${i}`, i)));
  assert.ok(replies.every((r) => r === "OK"));
  assert.equal(await redis.dbsize(), 500);
});

test("transactions", async () => {
  const replies = await redis.multi().set("a", 1).incr("a").get("a").exec();
  assert.deepEqual(replies, [[null, "OK"], [null, 2], [null, "2"]]);
  const other = another();
  await other.watch("a");
  await redis.set("a", "other");
  assert.equal(await other.multi().set("a", "mine").exec(), null);
  assert.equal(await redis.get("a"), "other");
  await assert.rejects(redis.multi().set("a").exec(), /EXECABORT/);
});

test("watch and retry", async () => {
  const add = async () => {
    const mine = another();
    for (let i = 0; i < 25; i++) {
      for (;;) {
        await mine.watch("counter");
        const now = Number(await mine.get("counter"));
        if (await mine.multi().set("counter", now + 1).exec()) break;
      }
    }
  };
  await Promise.all([add(), add(), add()]);
  assert.equal(await redis.get("counter"), "75");
});

test("scans", async () => {
  const p = redis.pipeline();
  for (let i = 0; i < 1000; i++) p.set(`key:${i}`, i);
  await p.exec();
  const found = new Set();
  for await (const keys of redis.scanStream({ match: "key:9*", count: 100 })) keys.forEach((k) => found.add(k));
  assert.equal(found.size, 111);
});

test("errors", async () => {
  await assert.rejects(redis.call("NOSUCHCOMMAND"), /unknown command/);
  await assert.rejects(redis.call("GET"), /wrong number of arguments/);
  await assert.rejects(redis.call("SET", "k", "v", "WHAT"), /syntax error/);
  assert.equal(await redis.ping(), "PONG");
});

test("connections", async () => {
  const named = another({ connectionName: "tester", db: 3 });
  assert.equal(await named.client("GETNAME"), "tester");
  await named.set("in3", 1);
  assert.equal(await redis.get("in3"), null);
  assert.match(await redis.info("server"), /redis_version:/);
  const ended = new Promise((resolve) => named.once("close", resolve));
  assert.equal(await redis.client("KILL", "ID", await named.client("ID")), 1);
  await ended;
  assert.equal(await named.get("in3"), "1");
});

test("commands of one's own", async () => {
  redis.defineCommand("addTo", {
    numberOfKeys: 1,
    lua: "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) return {KEYS[1], n, n / 2}",
  });
  redis.defineCommand("anyKeys", { lua: "return {#KEYS, #ARGV}", readOnly: true });
  assert.deepEqual(await redis.addTo("n", 5), ["n", 5, 2]);
  assert.deepEqual(await redis.anyKeys(2, "a", "b", "c"), [2, 1]);
  await redis.script("FLUSH"); // EVALSHA fails, and EVAL follows
  assert.deepEqual(await redis.addTo("n", 1), ["n", 6, 3]);
  const results = await redis.pipeline().addTo("n", 1).addTo("m", 1).exec();
  assert.deepEqual(results, [[null, ["n", 7, 3]], [null, ["m", 1, 0]]]);
  assert.deepEqual(await redis.multi().addTo("n", 1).get("n").exec(), [[null, ["n", 8, 4]], [null, "8"]]);
  const prefixed = another({ keyPrefix: "p:", scripts: { own: { numberOfKeys: 1, lua: "return KEYS[1]" } } });
  assert.equal(await prefixed.own("k"), "p:k");
  await assert.rejects(redis.eval("return redis.call('nosuch')", 0), /Unknown Redis command/);
});
