// node-redis against the server at 127.0.0.1:VIATOR_PORT, in RESP2 and RESP3: node --test test_node_redis.mjs
// (tests/clients.rs runs it).
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { createClient, ErrorReply, RESP_TYPES, WatchError } from "redis";

const socket = { port: Number(process.env.VIATOR_PORT), host: "127.0.0.1" };

for (const RESP of [2, 3]) {
  describe(`RESP${RESP}`, () => {
    const clients = [];
    const open = async (options = {}) => {
      const client = createClient({ socket, RESP, ...options });
      // A connection that is killed on purpose says so here.
      client.on("error", () => {});
      clients.push(client);
      return client.connect();
    };
    let redis;
    before(async () => (redis = await open()));
    beforeEach(() => redis.flushAll());
    after(() => clients.forEach((c) => c.destroy()));

    test("strings", async () => {
      assert.equal(await redis.set("k", "v", { expiration: { type: "EX", value: 100 } }), "OK");
      assert.equal(await redis.get("k"), "v");
      assert.ok((await redis.ttl("k")) > 90);
      assert.equal(await redis.set("k", "w", { condition: "NX" }), null);
      assert.equal(await redis.get("nothing"), null);
      assert.equal(await redis.incrBy("n", 41), 41);
      assert.equal(await redis.incrByFloat("f", 1.5), "1.5");
      assert.equal(await redis.mSet({ a: "1", b: "2" }), "OK");
      assert.deepEqual(await redis.mGet(["a", "b", "c"]), ["1", "2", null]);
    });

    test("binary and big values", async () => {
      const big = randomBytes(4 << 20);
      const buffers = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      await buffers.set("big", big);
      assert.ok(big.equals(await buffers.get("big")));
      assert.equal(await redis.strLen("big"), big.length);
    });

    test("pipelines", async () => {
      const replies = await Promise.all(Array.from({ length: 5000 }, () => redis.incr("n")));
      assert.deepEqual(replies, Array.from({ length: 5000 }, (_, i) => i + 1));
    });

    test("transactions", async () => {
      assert.deepEqual(await redis.multi().set("a", "1").incr("a").get("a").exec(), ["OK", 2, "2"]);
      const other = await open();
      await other.watch("a");
      await redis.set("a", "other");
      await assert.rejects(other.multi().set("a", "mine").exec(), WatchError);
      assert.equal(await redis.get("a"), "other");
    });

    test("watch and retry", async () => {
      const add = async () => {
        const mine = await open();
        for (let i = 0; i < 25; i++) {
          for (;;) {
            await mine.watch("counter");
            const now = Number(await mine.get("counter"));
            try {
              await mine.multi().set("counter", String(now + 1)).exec();
              break;
            } catch (error) {
              if (!(error instanceof WatchError)) throw error;
            }
          }
        }
      };
      await Promise.all([add(), add(), add()]);
      assert.equal(await redis.get("counter"), "75");
    });

    test("scans", async () => {
      await redis.mSet(Array.from({ length: 1000 }, (_, i) => [`key:${i}`, String(i)]));
      const found = new Set();
      for await (const keys of redis.scanIterator({ MATCH: "key:9*", COUNT: 100 })) keys.forEach((k) => found.add(k));
      assert.equal(found.size, 111);
    });

    test("errors", async () => {
      await assert.rejects(redis.sendCommand(["NOSUCHCOMMAND"]), ErrorReply);
      await assert.rejects(redis.sendCommand(["GET"]), /wrong number of arguments/);
      await assert.rejects(redis.sendCommand(["SET", "k", "v", "WHAT"]), /syntax error/);
      assert.equal(await redis.ping(), "PONG");
    });

    test("connections", async () => {
      const named = await open({ name: "tester", database: 3 });
      assert.equal(await named.clientGetName(), "tester");
      await named.set("in3", "1");
      assert.equal(await redis.get("in3"), null);
      assert.match(await redis.info("server"), /redis_version:/);
      const info = await named.clientInfo();
      assert.equal(info.db, 3);
      assert.equal(info.resp, RESP);
      const again = new Promise((resolve) => named.once("ready", resolve));
      assert.equal(await redis.clientKill({ filter: "ID", id: info.id }), 1);
      await again;
      assert.equal(await named.get("in3"), "1");
      const config = await redis.configGet("maxmemory");
      assert.equal(config.maxmemory, "0");
    });
  });
}
