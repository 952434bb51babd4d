import path from 'node:path';
import type { NextConfig } from 'next';

// The export is committed and embedded into the Go binary, so two builds of
// the same sources must give the same bytes: the build id is fixed (the default
// is random) and the root is this folder whatever lies above it.
const config: NextConfig = {
  output: 'export',
  images: { unoptimized: true },
  poweredByHeader: false,
  generateBuildId: async () => 'board',
  turbopack: { root: path.resolve('.') },
};

export default config;
