// Where a new note goes that nobody pointed a place for.

export const NOTE_WIDTH = 176;
export const NOTE_HEIGHT = 160;
const GAP = 16;
/** How far a note lies from the one that it has to cover. */
const CASCADE = 28;

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Room {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * The free place nearest to the middle of the room, rather beside than below it, on a grid of notes;
 * in a room that is full, the middle, a step beside what lies exactly there.
 */
export function freeSpot(room: Room, notes: readonly Point[]): Point {
  const x = (room.left + room.right - NOTE_WIDTH) / 2;
  const y = (room.top + room.bottom - NOTE_HEIGHT) / 2;
  const [dx, dy] = [NOTE_WIDTH + GAP, NOTE_HEIGHT + GAP];
  const columns = Math.max(0, Math.floor((room.right - room.left - NOTE_WIDTH) / 2 / dx));
  const rows = Math.max(0, Math.floor((room.bottom - room.top - NOTE_HEIGHT) / 2 / dy));

  const places: (Point & { far: number })[] = [];
  for (let i = -columns; i <= columns; i++) {
    for (let j = -rows; j <= rows; j++) {
      places.push({ x: x + i * dx, y: y + j * dy, far: (i * dx) ** 2 + (1.5 * j * dy) ** 2 });
    }
  }
  // Of two places equally far the right and the lower one, as one writes on.
  places.sort((a, b) => a.far - b.far || b.x - a.x || b.y - a.y);
  const clear = (at: Point) =>
    !notes.some((note) => Math.abs(note.x - at.x) < NOTE_WIDTH && Math.abs(note.y - at.y) < NOTE_HEIGHT);
  const place = places.find(clear);
  if (place) return { x: place.x, y: place.y };

  for (let step = 0; step < 20; step++) {
    const at = { x: x + step * CASCADE, y: y + step * CASCADE };
    if (!notes.some((note) => Math.hypot(note.x - at.x, note.y - at.y) < CASCADE / 2)) return at;
  }
  return { x, y };
}
