// In which order the event loop runs what is put off: what was called, then microtasks, then timers by their time.
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function job(name, milliseconds) {
  console.log(`${name} begins`);
  await wait(milliseconds);
  console.log(`${name} ends`);
  return name.length;
}

async function main() {
  setTimeout(() => console.log("a timer"), 0);
  Promise.resolve().then(() => console.log("a microtask"));
  process.nextTick(() => console.log("the next tick"));
  console.log("the call itself");
  await wait(50);
  const lengths = await Promise.all([job("slow", 300), job("quick", 100), job("middling", 200)]);
  console.log(JSON.stringify({ lengths, sum: lengths.reduce((sum, length) => sum + length) }));
  console.error("written to stderr: žluťoučký kůň");
  process.exitCode = 4;
}

main();
