// Identifiers made here. crypto.getRandomValues is there on plain http too,
// where crypto.randomUUID is not.

function bytes(n: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(n));
}

function hex(n: number): string {
  return Array.from(bytes(n), (b) => b.toString(16).padStart(2, '0')).join('');
}

/** 128 random bits: two clients must never share their numbering of operations. */
export const newClientId = () => `c_${hex(16)}`;
export const newNoteId = () => `n_${hex(10)}`;
export const newUserId = () => `u_${hex(8)}`;

export function pick<T>(from: readonly T[]): T {
  const i = new Uint32Array(1);
  crypto.getRandomValues(i);
  return from[(i[0] ?? 0) % from.length] as T;
}
