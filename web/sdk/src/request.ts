// One request to the server and its answer: strict about what is kept and followed, signed by the key of this browser, and what is
// refused is told as a code and a sentence.

import { CallFailed, UNREACHABLE, type FailureCode } from "./failure";
import { prove } from "./key";

/** What the server gave to sign last. */
let nonce = "";

/** Asks the person for the second factor that a request lacked; whether it was shown. */
type ShowFactor = () => Promise<boolean>;

let factorHere: (() => ShowFactor) | null = null;

/** `here` is called as each request begins, and gives what asks the person, where they were then, if it lacks the second factor. Once it was shown the request is made again. */
export function onFactorRequired(here: () => ShowFactor): void {
  factorHere = here;
}

export function request<Answer>(method: string, path: string, body?: object | Blob, headers: Record<string, string> = {}): Promise<Answer> {
  return withFactor(() => ask(method, path, body, headers));
}

async function withFactor<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  const showFactor = factorHere?.();
  try {
    return await work();
  } catch (failure) {
    if (showFactor === undefined || !refused(failure, "second_factor_required") || !(await showFactor())) throw failure;
  }
  return work();
}

async function ask<Answer>(method: string, path: string, body: object | Blob | undefined, headers: Record<string, string>): Promise<Answer> {
  const init: RequestInit & { method: string } = { method, headers, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body instanceof Blob) {
    init.headers = { ...headers, "Content-Type": body.type === "" ? "application/octet-stream" : body.type };
    init.body = body;
  } else if (body !== undefined) {
    init.headers = { ...headers, "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  return contentOf(await send(path, init));
}

/** A state, and the tag by which a change names it (`If-Match`). */
export function tagged<Answer>(path: string): Promise<{ state: Answer; tag: string }> {
  return withFactor(async () => {
    const response = await send(path, { method: "GET", credentials: "same-origin", cache: "no-store", redirect: "error" });
    return { tag: response.headers.get("ETag") ?? "*", state: await contentOf<Answer>(response) };
  });
}

async function contentOf<Answer>(response: Response): Promise<Answer> {
  const content: unknown = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (response.ok) return content as Answer;
  throw refusal(response.status, content);
}

/** A file, which the browser may keep if the server says so. */
export function file(path: string, cache: RequestCache = "no-store"): Promise<Blob> {
  return withFactor(async () => {
    const response = await send(path, { method: "GET", credentials: "same-origin", cache, redirect: "error" });
    if (response.ok) return response.blob();
    throw refusal(response.status, await response.json().catch(() => undefined));
  });
}

/** Renewing the session; once, however many ask. */
let renewing: Promise<boolean> | null = null;
/** How often it was renewed. */
let renewals = 0;

async function send(path: string, init: RequestInit & { method: string }): Promise<Response> {
  const before = renewals;
  const response = await signed(path, init);
  if (!(await isOver(response))) return response;
  if (renewals !== before) {
    // Renewed since it was sent, for another request: mostly nothing is over that would have to be renewed.
    const again = await signed(path, init);
    if (!(await isOver(again))) return again;
  }
  return (await renewed()) ? signed(path, init) : response;
}

function renewed(): Promise<boolean> {
  renewing ??= renew()
    .then((done) => {
      if (done) renewals += 1;
      return done;
    })
    .finally(() => (renewing = null));
  return renewing;
}

/** Whether the session is over. A wrong password or passkey is answered 401 as well, and is not sent twice. */
async function isOver(response: Response): Promise<boolean> {
  if (response.status !== 401) return false;
  const content: unknown = await response.clone().json().catch(() => undefined);
  return refused(refusal(response.status, content), "signed_out");
}

/** Tabs of one browser take turns where they can; where not, the server lets both have the same. */
function renew(): Promise<boolean> {
  const ask = async () => {
    const response = await signed("/api/session/renew", { method: "POST", credentials: "same-origin", cache: "no-store", redirect: "error" });
    leaveUnread(response);
    return response.ok;
  };
  return typeof navigator !== "undefined" && "locks" in navigator ? navigator.locks.request("conclave.renew", ask) : ask();
}

/** Sends a request with a proof that it comes from this browser; once more when the server gives something else to sign. */
async function signed(path: string, init: RequestInit & { method: string }): Promise<Response> {
  const address = `${location.origin}${path.split("?", 1)[0] ?? path}`;
  const attempt = async () => {
    const headers = new Headers(init.headers);
    headers.set("DPoP", await prove(init.method, address, nonce));
    try {
      return await fetch(path, { ...init, headers });
    } catch {
      throw new CallFailed("unreachable", UNREACHABLE);
    }
  };
  const response = await attempt();
  const given = response.headers.get("DPoP-Nonce");
  if (given === null) return response;
  nonce = given;
  if (response.status !== 401) return response;
  leaveUnread(response);
  return attempt();
}

/** Nobody reads the rest of it: without this word it stays open until the memory is tidied. */
function leaveUnread(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

/** Whether a request was refused with this code. */
export function refused(failure: unknown, code: string): boolean {
  return failure instanceof CallFailed && String(failure.code) === code;
}

export function refusal(status: number, content: unknown): CallFailed {
  if (typeof content === "object" && content !== null && "code" in content) {
    const { code } = content;
    // The control API answers with problem details (RFC 9457), whose sentence is called otherwise.
    const text = "text" in content ? content.text : "title" in content ? content.title : undefined;
    if (typeof code === "string" && typeof text === "string") return new CallFailed(code as FailureCode, text);
  }
  if (status === 401) return new CallFailed("signed_out", "Sign in to go on.");
  return new CallFailed("internal", "Something went wrong on the server.");
}
