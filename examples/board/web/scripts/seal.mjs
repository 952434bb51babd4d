// The seal of the export: out/.src-sha256 says which sources out/ was built from,
// so that a Go test without Node can tell that web/ was changed and not rebuilt.
//
// The hash is SHA-256, in lower-case hexadecimal, over every regular file below
// web/ except
//   - what lies below the top-level folders out/, node_modules/ and .next/,
//   - *.tsbuildinfo and the top-level next-env.d.ts, which tools generate,
//   - *.go, which is not part of the page.
// The files are sorted by their path relative to web/, written with '/' and
// compared byte by byte as UTF-8. Each contributes
//   path, NUL, its size in bytes as decimal digits, NUL, its bytes.
// embed_test.go computes the same; change both or neither.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const skippedFolders = new Set(['out', 'node_modules', '.next']);

function sources(web, folder = '') {
  const found = [];
  for (const entry of readdirSync(path.join(web, folder), { withFileTypes: true })) {
    const name = folder + entry.name;
    if (entry.isDirectory()) {
      if (!skippedFolders.has(name)) found.push(...sources(web, `${name}/`));
    } else if (entry.isFile() && !/\.(tsbuildinfo|go)$/.test(name) && name !== 'next-env.d.ts') {
      found.push(name);
    }
  }
  return found;
}

export function sourceHash(web) {
  const hash = createHash('sha256');
  const names = sources(web).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    const bytes = readFileSync(path.join(web, name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

export function seal(web) {
  const hash = sourceHash(web);
  writeFileSync(path.join(web, 'out', '.src-sha256'), `${hash}\n`);
  return hash;
}
