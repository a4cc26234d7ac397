// Who can do what, now and after a change, as a table that can be read out line by line.

import type { PreviewLine } from "@conclave/sdk";
import type { JSX } from "preact";

export function Lines(props: { caption: string; lines: readonly PreviewLine[]; compare: boolean }): JSX.Element {
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
            <th scope="row">{line.who}</th>
            <td>{line.what}</td>
            <td>{line.now}</td>
            {props.compare && <td>{line.then}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
