// The key of this browser. A session is bound to it: whoever copies the session without the key has nothing. The private half
// cannot be read out, not even by this page; it is kept in the browser's database, so that it outlasts the tab.

const DATABASE = "conclave";
const STORE = "keys";
const NAME = "session";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const ID_BYTES = 12;

let keys: Promise<CryptoKeyPair> | undefined;

/** A proof for one request (RFC 9449): `nonce` is what the server gave to sign, empty when it has given nothing yet. */
export async function prove(method: string, address: string, nonce: string): Promise<string> {
  keys ??= kept();
  const { publicKey, privateKey } = await keys;
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  const header = { typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } };
  const id = base64url(crypto.getRandomValues(new Uint8Array(ID_BYTES)));
  const claims = { htm: method, htu: address, jti: id, iat: Math.floor(Date.now() / 1000), nonce };
  const signed = `${encoded(header)}.${encoded(claims)}`;
  const signature = await crypto.subtle.sign(SIGNATURE, privateKey, new TextEncoder().encode(signed));
  return `${signed}.${base64url(new Uint8Array(signature))}`;
}

/** The thumbprint of the key (RFC 7638), by which others name it. */
export async function thumbprint(): Promise<string> {
  keys ??= kept();
  const { publicKey } = await keys;
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  // The order of the fields is that of the RFC.
  const canonical = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", canonical)));
}

/** The key that is kept, or a new one. Where the browser keeps nothing it lasts as long as the page. */
async function kept(): Promise<CryptoKeyPair> {
  let database: IDBDatabase;
  try {
    database = await opened();
  } catch {
    return fresh();
  }
  try {
    const found = await read(database);
    if (found !== undefined) return found;
    const made = await fresh();
    // Another tab may have been quicker: then its key is the one.
    return (await keep(database, made)) ? made : ((await read(database)) ?? made);
  } catch {
    return fresh();
  } finally {
    database.close();
  }
}

function fresh(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
}

function opened(): Promise<IDBDatabase> {
  return new Promise((found, failed) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => found(request.result);
    request.onerror = () => failed(request.error);
    request.onblocked = () => failed(new Error("the database is blocked"));
  });
}

function read(database: IDBDatabase): Promise<CryptoKeyPair | undefined> {
  return new Promise((found, failed) => {
    const request = database.transaction(STORE).objectStore(STORE).get(NAME);
    request.onsuccess = () => found(request.result as CryptoKeyPair | undefined);
    request.onerror = () => failed(request.error);
  });
}

/** False if there is one already. */
function keep(database: IDBDatabase, made: CryptoKeyPair): Promise<boolean> {
  return new Promise((done) => {
    const request = database.transaction(STORE, "readwrite").objectStore(STORE).add(made, NAME);
    request.onsuccess = () => done(true);
    request.onerror = (event) => {
      event.preventDefault();
      event.stopPropagation();
      done(false);
    };
  });
}

function encoded(value: object): string {
  return base64url(new TextEncoder().encode(JSON.stringify(value)));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
