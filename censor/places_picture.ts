/**
 * Pictures of the first messages of one side, place by place: which values stand there, how many of
 * them can be read, and how much they differ.
 *
 * @module
 */

import { byPosition, type Place } from "./byte_statistics.ts";
import { box, boxes, drawing, PLOT, WIDTH, word } from "./drawing.ts";
import { firstBurst, type Flow } from "./flow.ts";

/** How many places of a message are drawn, and into how many rows its values go. */
const [PLACES, ROWS] = [64, 32];
const VALUES = 256 / ROWS;
const ROW_HEIGHT = 5;
const STEP = PLOT / PLACES;

/**
 * Draws which values stand at the first 64 places of the first messages of one side: what is always
 * the same is a dark square in a light column.
 *
 * @param flows The connections.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element; its colour is that of the classes `client` and `server`.
 */
export function heatMap(flows: readonly Flow[], fromClient: boolean, title: string): string {
  const messages = flows.map((flow) => firstBurst(flow, fromClient));
  const style = fromClient ? "client" : "server";
  const cells = Array.from({ length: PLACES }, (_, place) => {
    const values = messages.flatMap((message) => place < message.length ? [message[place]!] : []);
    const counts = Map.groupBy(values, (value) => Math.floor(value / VALUES));
    return Array.from(counts, ([row, group]) => ({
      place,
      row,
      share: group.length / values.length,
      at: [place * STEP, (ROWS - 1 - row) * ROW_HEIGHT, STEP, ROW_HEIGHT] as const,
    }));
  }).flat();
  // What most have is worth a word; thousands of them would not be.
  const [common, rare] = [cells.filter(isCommon), cells.filter((cell) => !isCommon(cell))];
  const alike = Map.groupBy(rare, ({ share }) => Math.ceil(100 * share) / 100);
  const height = ROWS * ROW_HEIGHT;
  const places = [0, 16, 32, 48].map((place) => word([place * STEP, height + 15], `byte ${place}`));
  return drawing(WIDTH, height + 20, title, [
    ...Array.from(alike, ([share, group]) => boxes(group.map(({ at }) => at), style, share)),
    ...common.map(({ place, row, share, at }) => {
      const range = `${row * VALUES} to ${(row + 1) * VALUES - 1}`;
      return box(at, style, `byte ${place}: ${Math.round(100 * share)} % from ${range}`, share);
    }),
    ...places,
    word([WIDTH, 14], "255", "end"),
    word([WIDTH, height], "0", "end"),
  ]);
}

function isCommon({ share }: { share: number }): boolean {
  return share > 0.5;
}

const [STRIP_TOP, STRIP_HEIGHT] = [18, 36];

/** The share of 256 values that are printable. */
const PRINTABLE = 95 / 256;

/** One figure of all places, as bars from 0 to 1. */
function strip(
  top: number,
  style: string,
  [name, most]: readonly [name: string, most: string],
  bars: readonly { share: number; words: string }[],
): string[] {
  const bottom = top + STRIP_TOP + STRIP_HEIGHT;
  return [
    word([0, top + STRIP_TOP - 4], name),
    ...bars.map(({ share, words }, place) => {
      const height = STRIP_HEIGHT * share;
      return box([place * STEP, bottom - height, STEP - 1, height], style, words);
    }),
    box([0, bottom, PLOT, 0.5], "line"),
    box([0, bottom - STRIP_HEIGHT, PLOT, 0.5], "line"),
    word([WIDTH, bottom - STRIP_HEIGHT + 8], most, "end"),
    word([WIDTH, bottom], "0", "end"),
  ];
}

/**
 * Draws how many of the first messages of one side have printable ASCII at a place, and the entropy
 * there, for those of the first 64 places that each message has.
 *
 * @param flows The connections; those in which this side says nothing do not count.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element.
 */
export function placesPicture(flows: readonly Flow[], fromClient: boolean, title: string): string {
  const messages = flows.map((flow) => firstBurst(flow, fromClient)).filter(({ length }) =>
    length > 0
  );
  const places = byPosition(messages, PLACES);
  const style = fromClient ? "client" : "server";
  const percent = ({ printable }: Place) => `${Math.round(100 * printable)} %`;
  const limit = Math.min(8, Math.log2(Math.max(1, messages.length)));
  const most = Math.max(1, limit);
  const second = STRIP_TOP + STRIP_HEIGHT + 4;
  const line = STRIP_TOP + STRIP_HEIGHT * (1 - PRINTABLE);
  return drawing(WIDTH, second + STRIP_TOP + STRIP_HEIGHT + 2, title, [
    ...strip(
      0,
      style,
      [`Printable ASCII (random bytes: the line, ${Math.round(100 * PRINTABLE)} %)`, "100 %"],
      places.map((place) => ({
        share: place.printable,
        words: `byte ${place.position}: ${percent(place)} printable`,
      })),
    ),
    box([0, line, PLOT, 1], "line"),
    ...strip(
      second,
      style,
      [
        `Entropy in bits; ${messages.length} messages have ${limit.toFixed(1)} at most`,
        most.toFixed(1),
      ],
      places.map(({ position, entropy }) => ({
        share: entropy / most,
        words: `byte ${position}: ${entropy.toFixed(1)} bits`,
      })),
    ),
  ]);
}
