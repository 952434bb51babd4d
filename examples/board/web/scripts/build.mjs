// Builds the static export into out/ and seals it with the hash of its sources.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeLicenses } from './licenses.mjs';
import { seal } from './seal.mjs';

const web = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const next = createRequire(import.meta.url).resolve('next/dist/bin/next');

// The export replaces out/ as a whole, and only when the build went well.
const built = spawnSync(process.execPath, [next, 'build'], {
  cwd: web,
  stdio: 'inherit',
  env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' },
});
if (built.status !== 0) process.exit(built.status ?? 1);
writeLicenses(web);
console.log(`out/.src-sha256 ${seal(web)}`);
