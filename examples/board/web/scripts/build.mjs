// Builds the static export into out/ and seals it with the hash of its sources.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { seal } from './seal.mjs';

const web = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const next = createRequire(import.meta.url).resolve('next/dist/bin/next');

// A name that is no longer produced must not survive in the committed export.
rmSync(path.join(web, 'out'), { recursive: true, force: true });
const built = spawnSync(process.execPath, [next, 'build'], {
  cwd: web,
  stdio: 'inherit',
  env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' },
});
if (built.status !== 0) process.exit(built.status ?? 1);
console.log(`out/.src-sha256 ${seal(web)}`);
