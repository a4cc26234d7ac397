// The captions at the side: what was said so far, how one reads it, and for hosts the room's switches and what was kept. What is said
// is text: nothing in it is followed, run or taken for a name.

import { readOf, textOf, type CaptionChoice, type CaptionLine, type RoomView, type Said } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Meeting } from "../meeting/model";
import { settingsOf } from "../meeting/settings";
import { SettingsList } from "../settings/list";
import { Button } from "../ui/button";
import { Check, Choice } from "../ui/field";
import { Tabs } from "../ui/tabs";
import { languageName, languageOptions, NONE, NOT_CAPTIONED, ORIGINAL, roughWords, SOMEONE, standingWords } from "../words/captions";
import { aloud, ground, lines, over, place, size } from "./look";
import { lookClasses } from "./overlay";
import { Speech } from "./speech";
import { Transcripts } from "./transcripts";

export type CaptionsTab = "live" | "look" | "room";

export function CaptionsPanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const tab = meeting.captionsTab.value;
  return (
    <Tabs
      label="Captions"
      chosen={tab}
      onChoose={(name) => (meeting.captionsTab.value = name)}
      tabs={[
        { name: "live", label: "Live" },
        { name: "look", label: "How you read" },
        ...(meeting.moderates.value ? [{ name: "room" as const, label: "The room" }] : []),
      ]}
    >
      {tab === "live" && <Live meeting={meeting} room={room} />}
      {tab === "look" && <Look meeting={meeting} room={room} />}
      {tab === "room" && meeting.moderates.value && <RoomPart meeting={meeting} room={room} />}
    </Tabs>
  );
}

function Live(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  return (
    <div class="captions-live">
      <div class="captions-top">
        <Language meeting={meeting} room={room} />
      </div>
      <Standing meeting={meeting} room={room} />
      <Log meeting={meeting} room={room} />
      <div class="captions-foot">
        <Refusal meeting={meeting} />
      </div>
    </div>
  );
}

/** What the person reads. */
export function Language(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const choice = room.caption_choice;
  const choose = (wanted: CaptionChoice) => void meeting.attempt(() => meeting.captions.read(wanted));
  const translated = choice.language !== null && choice.language !== ORIGINAL;
  return (
    <>
      <Choice
        label="Captions for you"
        value={choice.language ?? NONE}
        options={languageOptions(room.captions, choice.language)}
        onChange={(wanted) => choose({ language: wanted === NONE ? null : wanted, original: choice.original })}
      />
      {translated && <Check label="What was spoken beside it" checked={choice.original} onChange={(original) => choose({ language: choice.language, original })} />}
      {translated && room.captions.engine !== null && <p class="hint">{roughWords(room.captions.engine)}. It can say the wrong thing; what was spoken counts.</p>}
    </>
  );
}

/** Whether what this person says may be turned into text. The switch shows what the room sees. */
export function Refusal(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const refused = meeting.own.value?.uncaptioned === true;
  return (
    <Check
      label="Do not caption me"
      hint={refused ? `What you say is not turned into text. Others see ${NOT_CAPTIONED} at your name.` : `At once nothing that you say is turned into text, and others see ${NOT_CAPTIONED} at your name.`}
      checked={refused}
      onChange={(wanted) => void meeting.captionMe(!wanted)}
    />
  );
}

function Standing(props: { meeting: Meeting; room: RoomView }): JSX.Element | null {
  const { meeting, room } = props;
  const said = standingWords(room.captions);
  if (said === null) return null;
  const host = meeting.moderates.value;
  return (
    <div class="captions-standing note" role="status">
      <h3>{said.title}</h3>
      <p>{said.text}</p>
      {said.steps.length > 0 && (
        <ol class="captions-steps">
          {said.steps.map((step) => (
            <li key={step.text}>
              {step.text}
              {step.code !== undefined && <pre tabIndex={0}>{step.code}</pre>}
            </li>
          ))}
        </ol>
      )}
      {host && room.captions.state === "off" && (
        <Button small onPress={() => (meeting.captionsTab.value = "room")}>
          Turn captions on…
        </Button>
      )}
    </div>
  );
}

/** Drawn at first, and with every press on the button for earlier ones. */
const STEP = 200;
/** One person's captions that follow each other within this time stand under one name. */
const TOGETHER_MS = 30_000;

function Log(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const choice = room.caption_choice;
  const many = useSignal(STEP);
  const all = meeting.captions.store.value.lines;
  const drawn = all.slice(-many.value);
  const last = all.at(-1);
  const place = useRef<HTMLDivElement>(null);
  // What comes is followed by whoever reads the newest; whoever reads older ones stays there.
  const atEnd = useRef(true);
  const behind = useSignal(false);
  const toEnd = () => {
    const element = place.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  };
  useLayoutEffect(() => {
    if (atEnd.current) toEnd();
  }, [all]);
  return (
    <div class="captions-scroll">
      <div
        class="captions-log"
        ref={place}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="What was said"
        onScroll={(event) => {
          const element = event.currentTarget;
          atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
          behind.value = !atEnd.current;
        }}
      >
        {drawn.length < all.length && (
          <div class="chat-older">
            <Button
              small
              onPress={() => {
                const element = place.current;
                const from = element === null ? 0 : element.scrollHeight - element.scrollTop;
                atEnd.current = false;
                many.value += STEP;
                // The eye stays on the line where it was.
                requestAnimationFrame(() => {
                  if (element !== null) element.scrollTop = element.scrollHeight - from;
                });
              }}
            >
              Earlier captions
            </Button>
          </div>
        )}
        {last === undefined && <Empty room={room} choice={choice} />}
        <ul>
          {drawn.map((line, at) => (
            <Line key={line.cue} meeting={meeting} line={line} choice={choice} together={follows(drawn[at - 1], line)} />
          ))}
        </ul>
      </div>
      {behind.value && (
        <div class="captions-newest">
          <Button
            small
            kind="primary"
            onPress={() => {
              atEnd.current = true;
              toEnd();
            }}
          >
            To the newest
          </Button>
        </div>
      )}
    </div>
  );
}

export function follows(before: CaptionLine | undefined, line: CaptionLine): boolean {
  return before !== undefined && before.speaker === line.speaker && before.name === line.name && line.from - before.to < TOGETHER_MS;
}

function Empty(props: { room: RoomView; choice: CaptionChoice }): JSX.Element | null {
  const { state } = props.room.captions;
  if (state === "off" || state === "unavailable") return null;
  return (
    <div class="chat-empty">
      <p>{props.choice.language === null ? "You read no captions." : "Nothing has been said yet."}</p>
      <p class="hint">
        {props.choice.language === null ? "Choose above what you want to read. What is said before that does not come." : "What is said from now on stands here, as long as you are in the room."}
      </p>
    </div>
  );
}

function Line(props: { meeting: Meeting; line: CaptionLine; choice: CaptionChoice; together: boolean }): JSX.Element | null {
  const { meeting, line, choice } = props;
  const { main, beside } = readOf(line, choice);
  if ([main, beside].every((said) => said === null || textOf(said) === "")) return null;
  const untranslated = choice.language !== null && choice.language !== ORIGINAL && main !== null && main.engine === null && main.language !== choice.language;
  return (
    <li class={props.together ? "said said-together" : "said"} data-cue={line.cue} data-speaker={line.speaker}>
      {!props.together && (
        <p class="said-head">
          <bdi class={`line-name voice-${meeting.captions.colourOf(line.speaker)}`}>{line.name || SOMEONE}</bdi>
          <time class="hint" dateTime={new Date(line.from).toISOString()}>
            {new Date(line.from).toLocaleTimeString(undefined, { timeStyle: "short" })}
          </time>
        </p>
      )}
      {main !== null && <Words said={main} />}
      {untranslated && <p class="hint">Not translated: {languageName(main.language)}</p>}
      {beside !== null && <Words said={beside} beside />}
    </li>
  );
}

function Words(props: { said: Said; beside?: boolean }): JSX.Element {
  const { said } = props;
  return (
    <p class={props.beside === true ? "said-words said-beside" : "said-words"} dir="auto" lang={said.language}>
      {said.committed}
      {said.tentative !== "" && <span class="said-tail">{said.tentative}</span>}
    </p>
  );
}

const SIZE_WORDS = { small: "Small", medium: "Medium", large: "Large", huge: "Very large" };
const GROUND_WORDS = { shade: "Light on a dark shade", black: "Light on black", white: "Dark on white" };
const PLACE_WORDS = { bottom: "At the bottom", top: "At the top" };

/** How the person reads, with a sample of it. */
function Look(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  return (
    <section class="panel-part" aria-label="How you read">
      <Language meeting={meeting} room={room} />
      <Check label="Over the picture" hint="Without it they stand in this panel alone." checked={over.value.value === "on"} onChange={(on) => over.set(on ? "on" : "off")} />
      <Choice label="Size" value={size.value.value} options={optionsOf(SIZE_WORDS)} onChange={size.set} />
      <Choice label="Contrast" value={ground.value.value} options={optionsOf(GROUND_WORDS)} onChange={ground.set} />
      <Choice label="Lines for each who speaks" value={lines.value.value} options={["1", "2", "3", "4"].map((value) => ({ value, label: value }))} onChange={lines.set} />
      <Choice label="Place" value={place.value.value} options={optionsOf(PLACE_WORDS)} onChange={place.set} />
      <div class="captions-sample" aria-hidden="true">
        <div class={lookClasses("here")}>
          <div class="caption">
            <p class="caption-name voice-1">Name</p>
            <div class="caption-words">
              <p>
                This is how captions look over the picture,<span class="caption-tail"> with words to come</span>
              </p>
            </div>
          </div>
        </div>
      </div>
      <Check label="Give finished captions to a screen reader" hint="Politely, one after the other, under the speaker’s name." checked={aloud.value.value === "on"} onChange={(on) => aloud.set(on ? "on" : "off")} />
      <p class="hint">All of this is kept on this device.</p>
    </section>
  );
}

function optionsOf(words: Readonly<Record<string, string>>): { value: string; label: string }[] {
  return Object.entries(words).map(([value, label]) => ({ value, label }));
}

const SWITCHES: ReadonlySet<string> = new Set(["captions", "transcript", "transcript_retention"]);

function RoomPart(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  return (
    <>
      <section class="panel-part" aria-label="Captions of the room">
        <SettingsList source={settingsOf(meeting)} settings={room.settings.filter((setting) => SWITCHES.has(setting.key))} />
      </section>
      <section class="panel-part" aria-label="Languages and words">
        <h3>Languages and words</h3>
        <Speech room={room.room} />
      </section>
      <section class="panel-part" aria-label="Transcripts">
        <h3>Transcripts</h3>
        <Transcripts room={room.room} />
      </section>
    </>
  );
}
