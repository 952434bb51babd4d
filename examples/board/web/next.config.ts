import path from 'node:path';
import type { NextConfig } from 'next';
import { PHASE_DEVELOPMENT_SERVER } from 'next/constants.js';

// The export is committed and embedded into the Go binary, so two builds of
// the same sources must give the same bytes: the build id is fixed (the default
// is random) and the root is this folder whatever lies above it.
const exported: NextConfig = {
  output: 'export',
  images: { unoptimized: true },
  poweredByHeader: false,
  generateBuildId: async () => 'board',
  turbopack: { root: path.resolve('.') },
};

// While the page is worked on, `next dev` serves it and passes the rest on to
//   go run ./examples/board -dev-origin http://localhost:3000
const server = 'http://127.0.0.1:8080';
const developed: NextConfig = {
  turbopack: exported.turbopack,
  rewrites: async () =>
    ['/ws/:board', '/events/:board'].map((source) => ({ source, destination: `${server}${source}` })),
};

export default function config(phase: string): NextConfig {
  return phase === PHASE_DEVELOPMENT_SERVER ? developed : exported;
}
