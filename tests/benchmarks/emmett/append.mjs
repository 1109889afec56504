// Emmett's event store on the MongoDB of the URL given: for each line {callers, appends}, appends one event to each of
// so many new streams, and answers with the seconds it took.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { getMongoDBEventStore } from "@event-driven-io/emmett-mongodb";
import { MongoClient } from "mongodb";

const client = new MongoClient(process.argv[2], { writeConcern: { w: "majority", j: true } });
await client.connect();
const store = getMongoDBEventStore({ client, storage: { type: "COLLECTION_PER_STREAM_TYPE", databaseName: "emmett" } });

const append = () =>
  store.appendToStream(`benchmark:${randomUUID()}`, [{ type: "Happened", data: { text: "x".repeat(600) } }]);

async function run({ callers, appends }) {
  let left = appends;
  const caller = async () => {
    while (left-- > 0) await append();
  };
  const since = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return (performance.now() - since) / 1000;
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ seconds: await run(JSON.parse(line)) }));
}
await client.close();
