/**
 * A picture of the lengths of the first messages of one side: how many connections have which.
 *
 * @module
 */

import { countTicks } from "./axis.ts";
import { box, drawing, PLOT, WIDTH, word } from "./drawing.ts";
import { firstBurst, type Flow } from "./flow.ts";

const BINS = 64;
const [TOP, HEIGHT] = [10, 80];
const BOTTOM = TOP + HEIGHT;

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
  const step = PLOT / BINS;
  const heightOf = (count: number) => HEIGHT * count / most;
  const bars = Array.from(bins, ([bin, group]) => {
    const height = heightOf(group.length);
    const words = `${group.length} of ${bin * size} to ${(bin + 1) * size - 1} bytes`;
    const place = [bin * step, BOTTOM - height, step - 1, height] as const;
    return box(place, fromClient ? "client" : "server", words);
  });
  const counts = [0, ...countTicks(most)].flatMap((count) => {
    const y = BOTTOM - heightOf(count);
    return [box([0, y, PLOT, 0.5], "line"), word([WIDTH, y + 4], String(count), "end")];
  });
  return drawing(WIDTH, BOTTOM + 20, title, [
    ...bars,
    ...counts,
    word([0, BOTTOM + 16], "0 bytes"),
    word([PLOT, BOTTOM + 16], `${BINS * size} bytes`, "end"),
  ]);
}
