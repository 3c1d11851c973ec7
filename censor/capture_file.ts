/**
 * Reading captures that somebody else made: pcap and pcapng
 * (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng).
 *
 * @module
 */

/** One packet of a capture. */
export interface CapturedPacket {
  /** When it passed, in milliseconds since 1970. */
  readonly time: number;
  /** What its first bytes are: a LINKTYPE. */
  readonly link: number;
  readonly bytes: Uint8Array;
}

/** The first number of a pcap with microseconds, and of one with nanoseconds. */
const [MICROSECONDS, NANOSECONDS] = [0xa1b2c3d4, 0xa1b23c4d];
/** Types of blocks of a pcapng. */
const [SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET] = [0x0a0d0d0a, 1, 2, 3, 6];
/** Files that are captures when they are unpacked. */
const PACKED: readonly [start: number, name: string, program: string][] = [
  [0x1f8b, "gzip", "gunzip"],
  [0x28b5, "zstd", "unzstd"],
  [0xfd37, "xz", "unxz"],
];
/** What a section begins with, by which its byte order is known. */
const BYTE_ORDER = 0x1a2b3c4d;
/** The option of an interface that says what a unit of its clock is. */
const RESOLUTION = 9;
const CLASSIC_HEADER = 24;

/** What is thrown for a file that cannot be read. */
function malformed(why: string): SyntaxError {
  return new SyntaxError(`it is not a capture (pcap or pcapng): ${why}`);
}

/** The order of bytes in a classic pcap, and the milliseconds of its smaller unit. */
function classicOrder(view: DataView): { little: boolean; unit: number } | null {
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MICROSECONDS) return { little, unit: 1e-3 };
    if (magic === NANOSECONDS) return { little, unit: 1e-6 };
  }
  return null;
}

function* readClassic(view: DataView, little: boolean, unit: number): Generator<CapturedPacket> {
  if (view.byteLength < CLASSIC_HEADER) throw malformed("its header is cut short");
  const link = view.getUint32(20, little) & 0xffff;
  for (let at = CLASSIC_HEADER; at + 16 <= view.byteLength;) {
    const [seconds, fraction] = [view.getUint32(at, little), view.getUint32(at + 4, little)];
    const length = view.getUint32(at + 8, little);
    at += 16;
    if (at + length > view.byteLength) return; // Whoever wrote it was ended.
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
    yield { time: seconds * 1000 + fraction * unit, link, bytes };
    at += length;
  }
}

/** How an interface counts time. */
interface Interface {
  readonly link: number;
  /** The milliseconds of one unit. */
  readonly unit: number;
}

/** Reads an interface, with its options (a number, a length, a value filled up to 4 bytes). */
function readInterface(block: DataView, little: boolean): Interface {
  let unit = 1e-3;
  for (let at = 16; at + 4 <= block.byteLength - 4;) {
    const [option, length] = [block.getUint16(at, little), block.getUint16(at + 2, little)];
    if (option === 0) break;
    if (option === RESOLUTION && length > 0) {
      const value = block.getUint8(at + 4);
      unit = 1000 * (value & 0x80 ? 2 ** -(value & 0x7f) : 10 ** -value);
    }
    at += 4 + length + (-length & 3);
  }
  return { link: block.getUint16(8, little), unit };
}

/** A block in its order of bytes, and the interfaces of its section. */
interface Section {
  readonly little: boolean;
  readonly interfaces: Interface[];
}

/** A packet with its time; in old blocks the number of the interface is a shorter one. */
function readPacket(
  block: DataView,
  { little, interfaces }: Section,
  isOld: boolean,
): CapturedPacket | null {
  const from = interfaces[isOld ? block.getUint16(8, little) : block.getUint32(8, little)];
  const length = block.getUint32(20, little);
  if (from === undefined || 28 + length > block.byteLength) return null;
  const ticks = block.getUint32(12, little) * 2 ** 32 + block.getUint32(16, little);
  const bytes = new Uint8Array(block.buffer, block.byteOffset + 28, length);
  return { time: ticks * from.unit, link: from.link, bytes };
}

/** A packet of the first interface, of which neither the time nor the captured length is told. */
function readSimplePacket(block: DataView, { little, interfaces }: Section): CapturedPacket | null {
  const [from] = interfaces;
  if (from === undefined) return null;
  const length = Math.min(block.getUint32(8, little), block.byteLength - 16);
  const bytes = new Uint8Array(block.buffer, block.byteOffset + 12, length);
  return { time: 0, link: from.link, bytes };
}

function readBlock(type: number, block: DataView, section: Section): CapturedPacket | null {
  if (type === SIMPLE_PACKET && block.byteLength >= 16) return readSimplePacket(block, section);
  const isOld = type === OLD_PACKET;
  const isPacket = (isOld || type === PACKET) && block.byteLength >= 32;
  return isPacket ? readPacket(block, section, isOld) : null;
}

function* readBlocks(view: DataView): Generator<CapturedPacket> {
  let section: Section = { little: true, interfaces: [] };
  for (let at = 0; at + 12 <= view.byteLength;) {
    if (view.getUint32(at, true) === SECTION) {
      section = { little: view.getUint32(at + 8, true) === BYTE_ORDER, interfaces: [] };
    }
    const { little, interfaces } = section;
    const [type, length] = [view.getUint32(at, little), view.getUint32(at + 4, little)];
    if (length < 12 || length % 4 !== 0) throw malformed(`a block of it has ${length} bytes`);
    if (at + length > view.byteLength) return; // Whoever wrote it was ended.
    const block = new DataView(view.buffer, view.byteOffset + at, length);
    at += length;
    if (type === INTERFACE && length >= 20) interfaces.push(readInterface(block, little));
    const packet = readBlock(type, block, section);
    if (packet !== null) yield packet;
  }
}

/**
 * Reads the packets of a capture.
 *
 * @param file The file.
 * @returns Its packets, in their order. One that is cut short at the end of the file is left out.
 * @throws {SyntaxError} When it is not a capture.
 */
export function* readCapture(file: Uint8Array): Generator<CapturedPacket> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.byteLength < 12) throw malformed("it has hardly any bytes");
  const packed = PACKED.find(([start]) => start === view.getUint16(0));
  if (packed !== undefined) throw malformed(`it is packed by ${packed[1]}: try ${packed[2]}`);
  const classic = classicOrder(view);
  if (classic !== null) return yield* readClassic(view, classic.little, classic.unit);
  if (view.getUint32(0) !== SECTION) throw malformed("its first bytes are others");
  yield* readBlocks(view);
}
