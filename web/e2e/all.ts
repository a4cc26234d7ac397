// Runs every story, one file after another: `node build/all.js [name…]`. A file in which something failed is run once more, for a real
// browser on a busy machine misses a moment now and then; what came right only then is named at the end, and what failed twice has failed.

import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { stripVTControlCharacters } from "node:util";

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const STORIES = join(import.meta.dirname, "story");

const wanted = process.argv.slice(2);
const files = (await readdir(STORIES)).filter((file) => file.endsWith(".test.js")).toSorted();
const chosen = wanted.length === 0 ? files : files.filter((file) => wanted.includes(nameOf(file)));
if (chosen.length === 0 || chosen.length < wanted.length) throw new Error(`the stories are ${files.map(nameOf).join(", ")}`);

const again: string[] = [];
let sum: Outcome = { passed: 0, failed: 0, skipped: 0 };
for (const file of chosen) {
  console.log(`\nstory ${nameOf(file)}`);
  let outcome = await run(file);
  if (outcome.failed > 0) {
    console.log(`\nstory ${nameOf(file)}, once more`);
    outcome = await run(file);
    if (outcome.failed === 0) again.push(nameOf(file));
  }
  sum = { passed: sum.passed + outcome.passed, failed: sum.failed + outcome.failed, skipped: sum.skipped + outcome.skipped };
}

console.log("");
if (again.length > 0) console.log(`came right only the second time: ${again.join(", ")}`);
console.log(`ℹ pass ${sum.passed}\nℹ fail ${sum.failed}\nℹ skipped ${sum.skipped}`);
process.exitCode = sum.failed === 0 ? 0 : 1;

async function run(file: string): Promise<Outcome> {
  const child = spawn(process.execPath, ["--test", "--test-reporter=spec", join(STORIES, file)], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    said += text;
  });
  const code = await new Promise<number | null>((ended) => child.once("close", ended));
  const plain = stripVTControlCharacters(said);
  // A story may run itself anew elsewhere: the last count is that of the file.
  const last = (what: string): number => Number([...plain.matchAll(new RegExp(`^ℹ ${what} (\\d+)$`, "gmu"))].at(-1)?.[1] ?? 0);
  const failed = last("fail") + last("cancelled");
  // What ends without a word has failed too.
  return { passed: last("pass"), failed: code === 0 ? failed : Math.max(failed, 1), skipped: last("skipped") };
}

function nameOf(file: string): string {
  return basename(file, ".test.js");
}
