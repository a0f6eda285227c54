/** The members of a zip archive of torch, which are stored and not compressed. */
import { expect } from "./errors.mjs";
import { decodeText } from "./protobuf.mjs";

const DIRECTORY = 0x02014b50;
const END = 0x06054b50;
const MOST_COMMENT = 65535;

/** Return whether bytes begin like an archive. */
export function isArchive(bytes) {
  return decodeLatin(bytes.subarray(0, 4)) === "PK\x03\x04";
}

/** Return the bytes of each member by its name below the top folder. */
export function readMembers(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const members = new Map();
  let at = view.getUint32(end + 16, true);
  for (let index = 0; index < count; index += 1) {
    expect(at + 46 <= bytes.length && view.getUint32(at, true) === DIRECTORY, "its zip archive is broken");
    expect(view.getUint16(at + 10, true) === 0, "a member of its archive is compressed");
    const size = view.getUint32(at + 24, true);
    const start = view.getUint32(at + 42, true);
    const [nameLength, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const name = decodeText(bytes.subarray(at + 46, at + 46 + nameLength));
    expect(start + 30 <= bytes.length, "its zip archive is broken");
    const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
    expect(from + size <= bytes.length, "its zip archive ends too soon");
    const below = name.slice(name.indexOf("/") + 1);
    expect(!members.has(below), `its archive has ${below} twice`);
    members.set(below, bytes.subarray(from, from + size));
    at += 46 + nameLength + extra + comment;
  }
  return members;
}

function findEnd(view) {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - MOST_COMMENT); at -= 1) {
    if (view.getUint32(at, true) === END) {
      return at;
    }
  }
  expect(false, "it is no zip archive");
}

function decodeLatin(bytes) {
  return String.fromCharCode(...bytes);
}
