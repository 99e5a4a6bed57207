// Calls a method by grpc-js: what to call comes as JSON, and what came of it goes out as JSON.

const grpc = require("@grpc/grpc-js");

const retries = {
  methodConfig: [
    {
      name: [{}],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.01s",
        maxBackoff: "0.02s",
        backoffMultiplier: 1,
        retryableStatusCodes: ["UNAVAILABLE"],
      },
    },
  ],
};

const pairs = (metadata) =>
  Object.entries(metadata?.getMap() ?? {}).map(([name, value]) => [name, String(value)]);

const call = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const metadata = new grpc.Metadata();
for (const [name, value] of call.metadata) metadata.add(name, value);

const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure(), {
  "grpc.service_config": JSON.stringify(retries),
});
const raw = (bytes) => bytes;
const deadline = Date.now() + 60_000;
const stream = client.makeBidiStreamRequest(call.method, raw, raw, metadata, { deadline });
const answer = { initial: [], messages: [] };
stream.on("metadata", (initial) => (answer.initial = pairs(initial)));
stream.on("data", (bytes) => answer.messages.push(bytes.toString()));
stream.on("error", () => {});
stream.on("status", (status) => {
  Object.assign(answer, {
    code: grpc.status[status.code],
    details: status.details,
    trailing: pairs(status.metadata),
  });
  process.stdout.write(JSON.stringify(answer));
  client.close();
});
for (const message of call.messages) stream.write(Buffer.from(message));
if (!call.holds) stream.end();
