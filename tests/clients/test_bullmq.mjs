// BullMQ against the server at 127.0.0.1:VIATOR_PORT: node --test test_bullmq.mjs (tests/clients.rs runs it).
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";

const port = Number(process.env.VIATOR_PORT);
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const open = [];
const made = (thing) => (open.push(thing), thing);
const queue = (name, options = {}) => made(new Queue(name, { connection, ...options }));
const worker = (name, process, options = {}) => made(new Worker(name, process, { connection, ...options }));
// resolves with the n-th event's arguments of those that `keep` accepts
const event = (emitter, name, n = 1, keep = () => true) =>
  new Promise((resolve) => emitter.on(name, (...args) => keep(...args) && --n === 0 && resolve(args)));
after(async () => {
  await Promise.all(open.reverse().map((thing) => thing.close()));
});

test("jobs are added and processed in order", async () => {
  const q = queue("plain");
  const seen = [];
  for (let i = 0; i < 20; i++) await q.add("job", { i });
  assert.equal(await q.getWaitingCount(), 20);
  const w = worker("plain", async (job) => (seen.push(job.data.i), job.data.i * 2));
  await event(w, "completed", 20);
  assert.deepEqual(seen, [...Array(20).keys()]);
  const done = await q.getCompleted();
  assert.equal(done.length, 20);
  assert.deepEqual(done.map((j) => j.returnvalue).sort((a, b) => a - b), seen.map((i) => i * 2));
  assert.deepEqual(await q.getJobCounts("wait", "active", "completed", "failed"), {
    wait: 0, active: 0, completed: 20, failed: 0,
  });
});

test("bulk, priorities, LIFO", async () => {
  const q = queue("order");
  await q.addBulk([3, 1, 2].map((priority) => ({ name: "p", data: { priority }, opts: { priority } })));
  await q.add("lifo", { priority: 0 }, { lifo: true });
  const seen = [];
  const w = worker("order", async (job) => seen.push(job.data.priority));
  await event(w, "completed", 4);
  assert.deepEqual(seen, [0, 1, 2, 3]);
});

test("delayed jobs wait for their time", async () => {
  const q = queue("delayed");
  const started = Date.now();
  await q.add("later", {}, { delay: 400 });
  assert.equal(await q.getDelayedCount(), 1);
  const w = worker("delayed", async () => Date.now());
  await event(w, "completed");
  assert.ok(Date.now() - started >= 395);
});

test("failures are retried with backoff, and kept when they go on", async () => {
  const q = queue("retry");
  let tries = 0;
  const w = worker("retry", async (job) => {
    tries++;
    if (job.name === "bad" || job.attemptsMade < 2) throw new Error("not yet");
    return "done";
  });
  await q.add("good", {}, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
  await event(w, "completed");
  assert.equal(tries, 3);
  await q.add("bad", {}, { attempts: 2, backoff: { type: "exponential", delay: 20 } });
  await event(w, "failed", 1, (job) => job.attemptsMade === 2);
  const [failed] = await q.getFailed();
  assert.equal(failed.failedReason, "not yet");
  await failed.retry();
  await event(w, "failed");
});

test("rate limits", async () => {
  const q = queue("limited");
  const times = [];
  const w = worker("limited", async () => times.push(Date.now()), { limiter: { max: 2, duration: 300 } });
  await q.addBulk([...Array(6).keys()].map((i) => ({ name: "r", data: { i } })));
  await event(w, "completed", 6);
  assert.ok(times[5] - times[0] >= 550, `${times[5] - times[0]} ms`);
});

test("job schedulers repeat", async () => {
  const q = queue("repeat");
  const w = worker("repeat", async (job) => job.name);
  await q.upsertJobScheduler("often", { every: 100, limit: 3 }, { name: "tick", data: {} });
  await event(w, "completed", 3);
  await q.removeJobScheduler("often");
});

test("flows: parents wait for their children", async () => {
  const flow = made(new FlowProducer({ connection }));
  queue("parents");
  const seen = [];
  const children = worker("children", async (job) => (seen.push(job.name), job.data.n));
  const parents = worker("parents", async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((a, b) => a + b, 0);
  });
  const done = event(parents, "completed");
  await flow.add({
    name: "parent",
    queueName: "parents",
    children: [1, 2, 3].map((n) => ({ name: `child${n}`, queueName: "children", data: { n } })),
  });
  const [job, sum] = await done;
  assert.equal(sum, 6);
  assert.equal(seen.length, 3);
  assert.equal(job.name, "parent");
  assert.ok(children);
});

test("events, progress, logs", async () => {
  const q = queue("events");
  const events = made(new QueueEvents("events", { connection }));
  await events.waitUntilReady();
  const progress = event(events, "progress");
  const job = await q.add("work", { a: 1 });
  worker("events", async (j) => {
    await j.updateProgress(42);
    await j.log("halfway");
    return "result";
  });
  assert.equal((await progress)[0].data, 42);
  assert.equal(await job.waitUntilFinished(events), "result");
  assert.deepEqual((await q.getJobLogs(job.id)).logs, ["halfway"]);
});

test("pause, drain, clean, remove, obliterate", async () => {
  const q = queue("manage");
  await q.pause();
  for (let i = 0; i < 5; i++) await q.add("m", { i }, { jobId: `job${i}` });
  assert.equal((await q.add("m", { again: true }, { jobId: "job0" })).id, "job0");
  assert.equal((await q.getJobCounts("paused", "wait")).paused + (await q.getWaitingCount()) >= 5, true);
  await (await q.getJob("job1")).remove();
  assert.equal(await q.getJob("job1"), undefined);
  await q.drain(true);
  await q.resume();
  assert.equal(await q.getWaitingCount(), 0);
  await q.obliterate({ force: true });
  const redis = new Redis(connection);
  assert.deepEqual(await redis.keys("bull:manage:*"), []);
  redis.disconnect();
});

test("deduplication", async () => {
  const q = queue("dedup");
  const a = await q.add("d", { n: 1 }, { deduplication: { id: "same", ttl: 5000 } });
  const b = await q.add("d", { n: 2 }, { deduplication: { id: "same", ttl: 5000 } });
  assert.equal(a.id, b.id);
});
