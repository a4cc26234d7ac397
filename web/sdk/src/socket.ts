// The one place that opens a WebSocket. Everything above sees this small interface, so that tests can stand in for the network.

import { SESSION_SUBPROTOCOL, SUBPROTOCOL } from "./wire";

export interface SocketHandlers {
  opened(): void;
  frame(text: string): void;
  /** `code` is the WebSocket close code; 1006 when the connection broke or was refused. */
  closed(code: number): void;
}

export interface Socket {
  send(text: string): void;
  close(): void;
}

export type OpenSocket = (url: string, handlers: SocketHandlers) => Socket;

export const openWebSocket: OpenSocket = (url, handlers) => opened(new WebSocket(url, SUBPROTOCOL), handlers);

/** With a session that no cookie carries. */
export function openWebSocketAs(session: string, url: string, handlers: SocketHandlers): Socket {
  return opened(new WebSocket(url, [SUBPROTOCOL, `${SESSION_SUBPROTOCOL}${session}`]), handlers);
}

function opened(socket: WebSocket, handlers: SocketHandlers): Socket {
  socket.onopen = () => handlers.opened();
  socket.onmessage = (message: MessageEvent<unknown>) => {
    if (typeof message.data === "string") handlers.frame(message.data);
  };
  socket.onclose = (close) => handlers.closed(close.code);
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(1000),
  };
}
