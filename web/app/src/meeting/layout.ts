// How many columns, and how large, so that tiles of 16:9 fill a space best. Pure arithmetic.

export interface Grid {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

const RATIO = 16 / 9;

/** The arrangement of `count` tiles in a space that shows each tile largest. */
export function gridOf(count: number, width: number, height: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const roomX = (width - gap * (columns - 1)) / columns;
    const roomY = (height - gap * (rows - 1)) / rows;
    const tile = Math.min(roomX, roomY * RATIO);
    if (tile > best.width) best = { columns, rows, width: tile, height: tile / RATIO };
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
