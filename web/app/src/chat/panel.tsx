// The room's chat: history in pages, search, writing where one may, and why not where one may not. Text is text: links in it are
// not links.

import type { ChatView, RoomView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Meeting } from "../meeting/model";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Bin, Cross, Search } from "../ui/icons";
import { ROLE } from "../words/people";
import { follows } from "./log";
import type { Draft } from "./model";

export const LONGEST = 2_000;

export function ChatPanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const { chat } = meeting;
  const searching = useSignal(false);
  const found = chat.found.value;
  const closeSearch = () => {
    searching.value = false;
    chat.endSearch();
  };
  return (
    <div class="chat">
      <div class="chat-top">
        {searching.value ? (
          <SearchForm meeting={meeting} onClose={closeSearch} />
        ) : (
          <Button small kind="quiet" onPress={() => (searching.value = true)}>
            <Search size={16} /> Search
          </Button>
        )}
      </div>
      {chat.trouble.value !== null && (
        <p class="alert" role="alert">
          {chat.trouble.value}
        </p>
      )}
      {found === null ? <Messages meeting={meeting} room={room} /> : <Found meeting={meeting} room={room} words={found.words} messages={found.messages} />}
      <Compose meeting={meeting} room={room} />
    </div>
  );
}

function Messages(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const { chat } = meeting;
  const log = chat.log.value;
  const place = useRef<HTMLDivElement>(null);
  const newest = log.messages.at(-1)?.number;
  const drafts = chat.unsent.value.length;
  // New words are followed by whoever reads the newest; whoever reads older ones stays there.
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    const element = place.current;
    if (element !== null && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [newest, drafts]);
  useEffect(() => chat.read(), [newest]);
  return (
    <div
      class="chat-log"
      ref={place}
      tabIndex={0}
      role="log"
      aria-label="Messages"
      onScroll={(event) => {
        const element = event.currentTarget;
        atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
      }}
    >
      {typeof log.next === "number" && (
        <div class="chat-older">
          <Button
            small
            onPress={async () => {
              const element = place.current;
              const from = element === null ? 0 : element.scrollHeight - element.scrollTop;
              atEnd.current = false;
              await chat.older();
              // The eye stays on the line where it was.
              requestAnimationFrame(() => {
                if (element !== null) element.scrollTop = element.scrollHeight - from;
              });
            }}
          >
            Earlier messages
          </Button>
        </div>
      )}
      {log.next === null && log.messages.length === 0 && drafts === 0 && (
        <div class="chat-empty">
          <p>Nothing has been written yet.</p>
          <p class="hint">You read what is written from the moment you came in. Whoever waits outside reads none of it.</p>
        </div>
      )}
      <ul>
        {log.messages.map((message, index) => (
          <Message key={message.number} meeting={meeting} room={room} message={message} together={follows(log.messages[index - 1], message)} />
        ))}
        {chat.unsent.value.map((draft) => (
          <Unsent key={draft.ref} meeting={meeting} draft={draft} />
        ))}
      </ul>
    </div>
  );
}

function Found(props: { meeting: Meeting; room: RoomView; words: string; messages: readonly ChatView[] }): JSX.Element {
  return (
    <div class="chat-log" tabIndex={0} role="region" aria-label="Found messages">
      <p class="hint" role="status">
        {props.messages.length === 0 ? `No message with “${props.words}”.` : `${props.messages.length} with “${props.words}”`}
      </p>
      <ul>
        {props.messages.map((message) => (
          <Message key={message.number} meeting={props.meeting} room={props.room} message={message} together={false} />
        ))}
      </ul>
    </div>
  );
}

function Message(props: { meeting: Meeting; room: RoomView; message: ChatView; together: boolean }): JSX.Element {
  const { meeting, room, message } = props;
  const own = message.participant === room.you;
  const mayDelete = !message.deleted && (own || meeting.moderates.value);
  return (
    <li class={props.together ? "message message-together" : "message"} data-number={message.number}>
      {!props.together && (
        <p class="message-head">
          <span class="line-name">{own ? "You" : message.name}</span>
          {message.role !== "attendee" && <Badge>{ROLE[message.role]}</Badge>}
          <time class="hint" dateTime={new Date(message.at).toISOString()}>
            {new Date(message.at).toLocaleTimeString(undefined, { timeStyle: "short" })}
          </time>
        </p>
      )}
      <div class="message-body">
        {message.deleted ? <p class="hint">This message was deleted.</p> : <p class="message-text">{message.text}</p>}
        {mayDelete && (
          <button type="button" class="message-delete" aria-label={`Delete the message of ${own ? "yours" : message.name}: ${message.text.slice(0, 40)}`} onClick={() => void meeting.chat.remove(message.number)}>
            <Bin size={16} />
          </button>
        )}
      </div>
    </li>
  );
}

function Unsent(props: { meeting: Meeting; draft: Draft }): JSX.Element {
  const { meeting, draft } = props;
  return (
    <li class="message message-unsent">
      <p class="message-text">{draft.text}</p>
      {draft.trouble === null ? (
        <p class="hint">Sending…</p>
      ) : (
        <div class="message-trouble" role="alert">
          <p>{draft.trouble}</p>
          <div class="action-row">
            <Button small onPress={() => meeting.chat.again(draft)}>
              Send again
            </Button>
            <Button small kind="quiet" onPress={() => meeting.chat.forget(draft)}>
              Discard
            </Button>
          </div>
        </div>
      )}
    </li>
  );
}

function SearchForm(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const words = useSignal("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <form
      class="chat-search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (words.value.trim() !== "") void props.meeting.chat.search(words.value.trim());
      }}
    >
      <input ref={input} type="search" aria-label="Search the chat" placeholder="Words to find" maxLength={100} value={words.value} onInput={(event) => (words.value = event.currentTarget.value)} />
      <Button small type="submit" label="Find">
        <Search size={16} />
      </Button>
      <Button small kind="quiet" label="Back to the messages" onPress={props.onClose}>
        <Cross size={16} />
      </Button>
    </form>
  );
}

function Compose(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const text = useSignal("");
  const write = useRef<HTMLTextAreaElement>(null);
  if (!room.may_chat) return <p class="chat-shut">{whyNot(meeting, room)}</p>;
  const send = () => {
    const wanted = text.value.trim();
    if (wanted === "") return;
    text.value = "";
    void meeting.chat.send(wanted);
    write.current?.focus();
  };
  return (
    <form
      class="chat-compose"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={write}
        rows={2}
        aria-label="Message to everyone in the room"
        placeholder="Write to everyone here"
        maxLength={LONGEST}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <Button small kind="primary" type="submit">
        Send
      </Button>
    </form>
  );
}

/** Why this person cannot write, in words that say what could change it. */
function whyNot(meeting: Meeting, room: RoomView): string {
  if (room.suspended) return "The meeting is suspended: nobody but hosts writes until it goes on.";
  const setting = room.settings.find((one) => one.key === "room_chat")?.value;
  if (setting === "hosts_write") return "In this room hosts write and everyone reads. A host can open the chat in the room’s settings.";
  return meeting.own.value?.role === "guest" ? "Guests read here. A host can change that." : "You can read here, but not write.";
}
