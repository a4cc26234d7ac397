// Who can do what, now and after a change, as a table that can be read out line by line.

import type { Line } from "@conclave/sdk";
import type { JSX } from "preact";
import { ROLE } from "../words/people";
import { answerWords, whatWords } from "../words/preview";

export function Lines(props: { caption: string; lines: readonly Line[]; compare: boolean }): JSX.Element {
  return (
    <table class="preview-lines">
      <caption>{props.caption}</caption>
      <thead>
        <tr>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">Now</th>
          {props.compare && <th scope="col">Then</th>}
        </tr>
      </thead>
      <tbody>
        {props.lines.map((line) => (
          <tr key={`${line.who}.${line.what}`} class={props.compare && line.now !== line.then ? "preview-changed" : undefined}>
            <th scope="row">{ROLE[line.who]}</th>
            <td>{whatWords(line.what)}</td>
            <td>{answerWords(line.now)}</td>
            {props.compare && <td>{answerWords(line.then)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
