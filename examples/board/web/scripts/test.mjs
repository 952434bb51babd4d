// Runs the unit tests: the compiler strips the types, Node's own runner does the rest.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const web = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const emitted = path.join(web, '.next', 'test');
const require = createRequire(import.meta.url);

function run(...args) {
  const done = spawnSync(process.execPath, args, { cwd: web, stdio: 'inherit' });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

rmSync(emitted, { recursive: true, force: true });
mkdirSync(emitted, { recursive: true });
writeFileSync(path.join(emitted, 'package.json'), '{"type":"module"}\n');
const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
run(tsc, '-p', 'test');
const files = readdirSync(path.join(emitted, 'test'))
  .filter((name) => name.endsWith('.test.js'))
  .map((name) => path.join(emitted, 'test', name));
run('--test', ...files);
