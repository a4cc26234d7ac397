// Another product brings a user of its own: its server makes the room and the token with a client generated from the description, its page
// joins with the SDK from another origin, without a cookie. The files are those of docs/embedding.md. Whoever takes the token elsewhere,
// again, or with another key is refused and told nothing.

import assert from "node:assert/strict";
import { createServer, type Server as Http } from "node:http";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { Seat, until } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { hostile, makeProduct, Product } from "../product.js";
import { button, closePanel, enter, isIn, peoplePanel, setSetting, told, tool, turn } from "../steps.js";

const STUDENT = "Student";

/** What `joinWithToken` comes to in a page. */
type Outcome = { code: string; text: string };

interface Sdk {
  prepareJoin(): Promise<string>;
  joinWithToken(options: { server: string; token: string; password?: string }): Promise<{ state: { phase: string }; leave(): void }>;
}

let meeting: Opening<"teacher" | "student" | "thief">;
let teacher: Seat;
let student: Seat;
let thief: Seat;
let product: Product;
let place: string;
let key = "";
let room = "";
/** A server on an origin that nobody allowed. */
let elsewhere: Http;
let elsewhereOrigin = "";

const step = story(() => ({ teacher, student, thief }));

before(async () => {
  await makeProduct();
  place = await Product.place();
  meeting = await opening({ teacher: "Room Owner", student: STUDENT, thief: "Thief" }, { stage: "accounts", strangers: ["student", "thief"] });
  ({ teacher, student, thief } = meeting.seats);
  const script = await hostile();
  elsewhere = createServer((request, response) => {
    if (request.url === "/hostile.js") response.writeHead(200, { "Content-Type": "text/javascript" }).end(script);
    else response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Elsewhere</title>");
  });
  await new Promise<void>((up) => elsewhere.listen(0, "127.0.0.1", up));
  const address = elsewhere.address();
  elsewhereOrigin = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
});

after(async () => {
  await product?.close();
  elsewhere?.close();
  await meeting?.close();
});

/** A page of that origin with all of the SDK at hand. */
async function open(seat: Seat, origin: string): Promise<void> {
  await seat.page.goto(origin);
  await seat.page.addScriptTag({ content: await hostile(), type: "module" });
  await seat.page.waitForFunction(() => "sdk" in globalThis);
}

function thumbprint(seat: Seat): Promise<string> {
  return seat.page.evaluate(() => (globalThis as unknown as { sdk: Sdk }).sdk.prepareJoin());
}

/** What the product's server gives for the key with this thumbprint. */
async function token(jkt: string): Promise<{ server: string; token: string; password: string }> {
  const answer = await fetch(`${product.origin}/lesson/token`, { method: "POST", body: JSON.stringify({ jkt }) });
  assert.equal(answer.status, 200);
  return (await answer.json()) as { server: string; token: string; password: string };
}

/** Joins in the page, and gives how it was refused. */
function attempt(seat: Seat, options: { server: string; token: string; password?: string }): Promise<Outcome | null> {
  return seat.page.evaluate(async (options) => {
    const { sdk } = globalThis as unknown as { sdk: Sdk };
    try {
      (await sdk.joinWithToken(options)).leave();
      return null;
    } catch (failure) {
      const { code, message } = failure as { code: string; message: string };
      return { code, text: message };
    }
  }, options);
}

step("an administrator allows the product's pages, and makes a key for its server", async () => {
  const { page } = teacher;
  await button(page, "Organisation").click();
  await page.getByRole("tab", { name: "Embedding" }).click();
  await page.getByText("No page of another product can bring anybody in.").waitFor();
  await accessible(teacher, "embedding_empty");
  await button(page, "Allow an address").click();
  const dialog = page.getByRole("dialog", { name: "Allow an address" });
  await dialog.getByLabel("Address of its pages").fill("https://*.example.org");
  await button(dialog, "Allow it").click();
  await dialog.getByRole("alert").getByText("An origin is https://host").waitFor();
  await accessible(teacher, "embedding_refused");
  await fits(teacher, "embedding_refused");
  await teacher.shootDark("210-origin-refused");
  await dialog.getByLabel("Address of its pages").fill(place);
  await button(dialog, "Allow it").click();
  await page.getByRole("list", { name: "Allowed addresses" }).getByText(place).waitFor();
  await accessible(teacher, "embedding");
  await fits(teacher, "embedding");
  await teacher.shootDark("211-origins");
  await page.getByRole("tab", { name: "API keys" }).click();
  await button(page, "New key").click();
  const making = page.getByRole("dialog", { name: "New API key" });
  await making.getByLabel("What is it for?").fill("Course Desk");
  await making.getByLabel("Bring users of another product to a door").check();
  await making.getByLabel("Make, set up and end rooms").check();
  await button(making, "Make the key").click();
  key = (await page.getByLabel("Key Course Desk", { exact: true }).innerText()).trim();
});

step("the product makes a room by its generated client, and the teacher opens it to guests", async () => {
  product = await Product.open(place, meeting.server.origin, key);
  room = await product.lesson();
  await enter(teacher, `${meeting.server.origin}/r/${room}`);
  await setSetting(teacher, "Sign-in", "Guests may knock");
  await closePanel(teacher);
  await turn(teacher, "Microphone", true);
  await turn(teacher, "Camera", true);
});

step("a user of the product comes from its page, without a cookie, and waits as everybody does", async () => {
  const { page } = student;
  await page.goto(product.origin);
  await student.shoot("212-product");
  await button(page, "Come to the lesson").click();
  await page.getByText("The teacher will let you in.").waitFor();
  await told(teacher, new RegExp(`${STUDENT}.*brought by “Course Desk”.* knocks`, "u"));
  await tool(teacher, /^People/u).click();
  await teacher.page.getByText("brought by “Course Desk”").first().waitFor();
  await teacher.shoot("213-brought-by-a-product");
  assert.deepEqual(await student.context.cookies(), []);
});

step("they are let in, are seen by the host, and see and hear the host", async () => {
  await button(teacher.page, `Let in ${STUDENT}`).click();
  await student.page.getByText("You are in the lesson.").waitFor();
  await isIn(teacher);
  const panel = await peoplePanel(teacher, "In the room");
  await panel.getByText(STUDENT).first().waitFor();
  const got = () => student.page.evaluate(() => window.media.received());
  await until("the teacher's picture and voice", got, ({ framesDecoded, audioEnergy }) => framesDecoded > 10 && audioEnergy > 0, 60_000);
  await student.page.waitForFunction(() => (document.querySelector("video")?.videoWidth ?? 0) > 0);
  await student.shoot("214-in-the-lesson");
  await teacher.shoot("215-student-is-in");
  assert.deepEqual(await student.context.cookies(), []);
  assert.deepEqual(student.complaints, []);
});

step("a token is worth nothing again, with another key, or from another origin", async () => {
  await open(student, product.origin);
  const given = await token(await thumbprint(student));
  // A thief in another browser has the product's page and the token, but not the key.
  await open(thief, product.origin);
  const refused = { code: "join_refused", text: "You cannot come in like this. Open the meeting anew." };
  assert.deepEqual(await attempt(thief, given), refused);
  // Their own key opens nothing from an origin that nobody allowed: the browser does not even say why.
  await open(thief, elsewhereOrigin);
  const foreign = await attempt(thief, await token(await thumbprint(thief)));
  assert.equal(foreign?.code, "unreachable");
  // The owner of the key was not hindered, once.
  assert.equal(await attempt(student, given), null);
  assert.deepEqual(await attempt(student, given), refused);
});

step("the meeting stands in a frame of the product's page, and in nobody else's", async () => {
  const { page } = student;
  const framed = async (seat: Seat) => {
    await seat.page.evaluate((server) => {
      document.body.innerHTML = "<h1>Course Desk</h1>";
      const frame = document.createElement("iframe");
      frame.src = `${server}/embed`;
      frame.allow = "camera; microphone; display-capture; fullscreen; autoplay";
      frame.style.cssText = "width: 100%; height: 640px; border: 0";
      addEventListener("message", (event: MessageEvent<{ conclave?: string; jkt?: string }>) => {
        if (event.origin === server && event.data.conclave === "ready") Object.assign(globalThis, { asked: event.data.jkt });
      });
      document.body.append(frame);
    }, meeting.server.origin);
    return seat.page.frameLocator("iframe");
  };
  const asked = (seat: Seat) => seat.page.evaluate(() => (globalThis as { asked?: string }).asked ?? null);
  await page.goto(product.origin);
  const frame = await framed(student);
  const jkt = await until("the frame", () => asked(student), (found) => found !== null);
  const given = await token(jkt ?? "");
  await page.evaluate(({ server, ...given }) => document.querySelector("iframe")?.contentWindow?.postMessage({ conclave: "join", ...given }, server), given);
  await frame.getByRole("heading", { name: "A host will decide" }).waitFor();
  await student.shoot("216-frame-waits");
  await peoplePanel(teacher, "Waiting");
  await button(teacher.page, `Let in ${STUDENT}`).click();
  await button(frame.getByRole("toolbar"), "Leave").waitFor();
  await student.shoot("217-frame-in-the-lesson");
  await button(frame.getByRole("toolbar"), "Leave").click();
  await frame.getByText("You left the meeting.").waitFor();
  await thief.page.goto(elsewhereOrigin);
  const foreign = thief.page.waitForEvent("console", (message) => /frame-ancestors/u.test(message.text()));
  await framed(thief);
  await foreign;
  assert.equal(await asked(thief), null);
});

step("a key that is taken back brings nobody any more", async () => {
  await open(student, product.origin);
  const given = await token(await thumbprint(student));
  const { page } = teacher;
  await button(page, "Leave").click();
  await page.goto(`${meeting.server.origin}/organisation/keys`);
  await button(page, "Take back the key Course Desk").click();
  await button(page.getByRole("dialog"), "Take back").click();
  await page.getByText("No key has been made.").waitFor();
  assert.equal((await attempt(student, given))?.code, "join_refused");
});
