// How many columns, and how large, so that tiles fill a space best: wide ones in a wide space, square ones in a tall one.
// Pure arithmetic.

export interface Grid {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

const WIDE = 16 / 9;
const SQUARE = 1;

/** The arrangement of `count` tiles in a space that shows each tile largest. */
export function gridOf(count: number, width: number, height: number, gap: number): Grid {
  const ratio = height > width ? SQUARE : WIDE;
  let best: Grid = { columns: 1, rows: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const roomX = (width - gap * (columns - 1)) / columns;
    const roomY = (height - gap * (rows - 1)) / rows;
    const tile = Math.min(roomX, roomY * ratio);
    if (tile > best.width) best = { columns, rows, width: tile, height: tile / ratio };
  }
  return { ...best, width: Math.floor(best.width), height: Math.floor(best.height) };
}

/** How many tiles can be shown without becoming smaller than a face needs. */
export function capacityOf(width: number, height: number, gap: number, smallest: number, most: number): number {
  for (let count = most; count > 1; count -= 1) {
    if (gridOf(count, width, height, gap).width >= smallest) return count;
  }
  return 1;
}
