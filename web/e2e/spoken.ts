// What is spoken in a story: the sentences of the caption worker's own fixtures, one after the other with rests between them, as a file
// that Chromium takes for a microphone; and how many words of them were read right.

import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FIXTURES = "../../captions/testdata/fixtures";
/** What Chromium's sound works with; the fixtures have a third of it. */
const RATE = 48_000;
const TIMES = 3;

export interface Speech {
  /** Mono, 48 kHz. */
  file: string;
  sentences: string[];
  /** Of the whole file. */
  seconds: number;
}

/** One sentence to a fixture. */
export async function sentences(): Promise<{ file: string; words: string }[]> {
  const lines = (await readFile(`${FIXTURES}/refs.tsv`, "utf8")).trimEnd().split("\n");
  return lines
    .map((line) => line.split("\t"))
    .filter(([file = "", words = ""]) => words !== "" && !file.includes("two-sentences"))
    .map(([file = "", words = ""]) => ({ file: `${FIXTURES}/${file}`, words }));
}

/** Silence first, and a rest after each. */
export async function speak(said: readonly { file: string; words: string }[], { lead, rest }: { lead: number; rest: number }): Promise<Speech> {
  const parts: Float32Array[] = [new Float32Array(lead * RATE)];
  for (const { file } of said) parts.push(thrice(samplesOf(await readFile(file))), new Float32Array(rest * RATE));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  const folder = await mkdtemp(join(tmpdir(), "conclave-voice-"));
  const file = join(folder, "voice.wav");
  await writeFile(file, wav(whole));
  return { file, sentences: said.map(({ words }) => words), seconds: length / RATE };
}

/** Words to be changed, added or taken away, of so many. */
export function wordErrors(reference: string, heard: string): { errors: number; words: number } {
  const [right, got] = [wordsOf(reference), wordsOf(heard)];
  let row = got.map((_, at) => at + 1);
  row.unshift(0);
  for (const [i, word] of right.entries()) {
    const next = [i + 1];
    for (const [j, other] of got.entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (word === other ? 0 : 1)));
    }
    row = next;
  }
  return { errors: row.at(-1) ?? 0, words: right.length };
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

/** 16 bits, mono, one third of the rate that is wanted. */
function samplesOf(file: Buffer): Float32Array {
  const data = file.indexOf("data", 12, "latin1");
  if (file.readUInt16LE(22) !== 1 || file.readUInt32LE(24) * TIMES !== RATE || file.readUInt16LE(34) !== 16 || data < 0) throw new Error("not the sound that is expected");
  const length = Math.min(file.readUInt32LE(data + 4), file.length - data - 8) / 2;
  return Float32Array.from({ length }, (_, at) => file.readInt16LE(data + 8 + 2 * at) / 32_768);
}

/** Between the samples what a band of half the old rate allows: a sinc under a Hann window. */
function thrice(samples: Float32Array): Float32Array {
  const REACH = 16;
  const out = new Float32Array(samples.length * TIMES);
  for (let at = 0; at < out.length; at += 1) {
    const middle = at / TIMES;
    let sum = 0;
    for (let from = Math.ceil(middle - REACH); from <= middle + REACH; from += 1) {
      const off = middle - from;
      const sinc = off === 0 ? 1 : Math.sin(Math.PI * off) / (Math.PI * off);
      sum += (samples[from] ?? 0) * sinc * (0.5 + 0.5 * Math.cos((Math.PI * off) / REACH));
    }
    out[at] = sum;
  }
  return out;
}

function wav(samples: Float32Array): Buffer {
  const file = Buffer.alloc(44 + samples.length * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((sample, at) => file.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), 44 + 2 * at));
  return file;
}
