// Upscales images with one sparsesr process:  node upscale.mjs FOLDER IMAGE...
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

const [folder, ...files] = process.argv.slice(2);
const worker = spawn(process.env.SPARSESR ?? "sparsesr", ["pipe", "-f", "png"], { stdio: ["pipe", "pipe", "inherit"] });
worker.on("error", ({ path: program, code }) => {
  console.error(`${program} cannot be started (${code}); pip install sparsesr, or set SPARSESR to its path`);
  process.exit(127); // the status of shells
});
worker.stdin.on("error", () => {}); // the worker has ended; so do its answers
worker.on("exit", (status) => { process.exitCode = status; });
const answers = worker.stdout[Symbol.asyncIterator]();
let held = Buffer.alloc(0);
async function bytes(count) {
  const parts = [held];
  for (let missing = count - held.length; missing > 0; missing -= parts.at(-1).length) {
    const { value, done } = await answers.next();
    if (done) throw new Error("sparsesr has ended");
    parts.push(value);
  }
  const all = Buffer.concat(parts);
  held = all.subarray(count);
  return all.subarray(0, count);
}
async function frame() { // the number of bytes in decimal, a newline, and the bytes
  let digits = "", next;
  while ((next = (await bytes(1)).toString()) !== "\n") digits += next;
  return bytes(Number(digits));
}
for (const file of files) {
  const image = await readFile(file);
  worker.stdin.write(`${image.length}\n`);
  worker.stdin.write(image);
  const [record, result] = [JSON.parse(await frame()), await frame()];
  if (record.error) console.error(`${file}: ${record.error.message}`);
  else await writeFile(path.join(folder, `${path.parse(file).name}_upscaled.png`), result);
}
worker.stdin.end();
