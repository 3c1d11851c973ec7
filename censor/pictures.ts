/**
 * Pictures of connections: sizes and directions, byte values by position, lengths.
 *
 * @module
 */

import { box, drawing, word } from "./drawing.ts";
import { bursts, firstBurst, type Flow } from "./flow.ts";

const WIDTH = 640;

/** How many messages of a connection are drawn. */
const MESSAGES = 20;
const [MIDDLE, TALLEST] = [110, 90];
/** The length whose bar is the tallest, in bytes. */
const LONGEST = 65_536;
const LINES = [100, 1_000, 10_000];

/** The height of a bar: lengths of all sizes are to be seen, so that it is a logarithm. */
function heightOf(length: number): number {
  return TALLEST * Math.min(1, Math.log2(1 + length) / Math.log2(LONGEST));
}

/**
 * Draws the sizes and directions of the first 20 messages, all connections over each other: the
 * client's go up.
 *
 * @param flows The connections.
 * @param title What they are.
 * @returns An SVG element; its colours are those of the classes `client`, `server` and `line`.
 */
export function messagesPicture(flows: readonly Flow[], title: string): string {
  const step = WIDTH / MESSAGES;
  const bars = flows.flatMap((flow) =>
    bursts(flow).slice(0, MESSAGES).map(({ fromClient, bytes }, index) => {
      const height = heightOf(bytes.length);
      const top = fromClient ? MIDDLE - height : MIDDLE;
      const place = [index * step + 3, top, step - 6, height] as const;
      return box(place, fromClient ? "client" : "server", "", Math.max(0.04, 1 / flows.length));
    })
  );
  const lines = LINES.flatMap((length) =>
    [-1, 1].flatMap((side) => {
      const y = MIDDLE + side * heightOf(length);
      return [box([0, y, WIDTH, 0.5], "line"), word([WIDTH, y - 2], String(length), "end")];
    })
  );
  const numbers = Array.from(
    { length: MESSAGES },
    (_, index) => word([(index + 0.5) * step, 2 * MIDDLE + 8], String(index + 1), "middle"),
  );
  return drawing(WIDTH, 2 * MIDDLE + 12, title, [...bars, ...lines, ...numbers]);
}

/** How many places of a message are drawn, and into how many rows its values go. */
const [PLACES, ROWS] = [64, 32];
const VALUES = 256 / ROWS;
const ROW_HEIGHT = 5;

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
  const step = WIDTH / PLACES;
  const cells = Array.from({ length: PLACES }, (_, place) => {
    const values = messages.flatMap((message) => place < message.length ? [message[place]!] : []);
    const counts = Map.groupBy(values, (value) => Math.floor(value / VALUES));
    return Array.from(counts, ([row, group]) => {
      const top = (ROWS - 1 - row) * ROW_HEIGHT;
      const share = group.length / values.length;
      // What most have is worth a word; thousands of them would not be.
      const range = `${row * VALUES} to ${(row + 1) * VALUES - 1}`;
      const words = share > 0.5 ? `byte ${place}: ${Math.round(100 * share)} % from ${range}` : "";
      return box(
        [place * step, top, step, ROW_HEIGHT],
        fromClient ? "client" : "server",
        words,
        share,
      );
    });
  });
  const height = ROWS * ROW_HEIGHT;
  const places = [0, 16, 32, 48].map((place) => word([place * step, height + 12], `byte ${place}`));
  return drawing(WIDTH, height + 16, title, [...cells.flat(), ...places]);
}

const BINS = 64;
const HISTOGRAM_HEIGHT = 80;

/**
 * Draws how long the first messages of one side are.
 *
 * @param flows The connections.
 * @param fromClient Whose messages.
 * @param title What they are.
 * @returns An SVG element.
 */
export function lengthsPicture(flows: readonly Flow[], fromClient: boolean, title: string): string {
  const lengths = flows.map((flow) => firstBurst(flow, fromClient).length);
  const longest = Math.max(1, ...lengths);
  const size = Math.max(1, Math.ceil((longest + 1) / BINS));
  const bins = Map.groupBy(lengths, (length) => Math.floor(length / size));
  const most = Math.max(1, ...[...bins.values()].map(({ length }) => length));
  const step = WIDTH / BINS;
  const bars = Array.from(bins, ([bin, group]) => {
    const height = HISTOGRAM_HEIGHT * group.length / most;
    const words = `${group.length} of ${bin * size} to ${(bin + 1) * size - 1} bytes`;
    const place = [bin * step, HISTOGRAM_HEIGHT - height, step - 1, height] as const;
    return box(place, fromClient ? "client" : "server", words);
  });
  return drawing(WIDTH, HISTOGRAM_HEIGHT + 16, title, [
    ...bars,
    box([0, HISTOGRAM_HEIGHT, WIDTH, 0.5], "line"),
    word([0, HISTOGRAM_HEIGHT + 12], "0 bytes"),
    word([WIDTH, HISTOGRAM_HEIGHT + 12], `${BINS * size} bytes`, "end"),
  ]);
}
