// A hostile piece of network between one browser and the server's media port: it passes datagrams on both ways, and when told
// to, keeps the server's goodbyes from the browser, so that the browser goes on sending to a server that has let go of it.

import { createSocket, type Socket } from "node:dgram";

/** DTLS records (RFC 7983): the goodbye is one. */
const FIRST_DTLS = 20;
const LAST_DTLS = 63;
/** RTP and RTCP. */
const FIRST_RTP = 128;
const LAST_RTP = 191;

export class Relay {
  readonly port: number;
  /** Keep DTLS of the server from the browser. */
  deaf = false;
  /** RTP datagrams that the browser sent through here. */
  passed = 0;
  readonly #front: Socket;
  readonly #backs = new Map<string, Socket>();

  private constructor(front: Socket, server: number) {
    this.#front = front;
    this.port = front.address().port;
    front.on("message", (datagram, from) => {
      const first = datagram[0] ?? 0;
      if (first >= FIRST_RTP && first <= LAST_RTP) this.passed += 1;
      this.#back(server, from.address, from.port).send(datagram, server, "127.0.0.1");
    });
  }

  static async open(server: number, port = 0): Promise<Relay> {
    const front = createSocket("udp4");
    await new Promise<void>((bound) => front.bind(port, "127.0.0.1", bound));
    return new Relay(front, server);
  }

  /** The browser is in another network from now on: what it sends comes from other ports. */
  move(): void {
    for (const back of this.#backs.values()) back.close();
    this.#backs.clear();
  }

  close(): void {
    this.#front.close();
    for (const back of this.#backs.values()) back.close();
  }

  /** One socket towards the server for each address of the browser, so that the server tells them apart. */
  #back(server: number, address: string, port: number): Socket {
    const key = `${address}:${port}`;
    const known = this.#backs.get(key);
    if (known !== undefined) return known;
    const back = createSocket("udp4");
    back.on("message", (datagram, from) => {
      const first = datagram[0] ?? 0;
      const goodbye = this.deaf && first >= FIRST_DTLS && first <= LAST_DTLS;
      if (from.port === server && !goodbye) this.#front.send(datagram, port, address);
    });
    this.#backs.set(key, back);
    return back;
  }
}
