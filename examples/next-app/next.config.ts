import type { NextConfig } from 'next'

const nextConfig: NextConfig = {
  // A native addon is loaded by Node, not bundled.
  serverExternalPackages: ['media-credits'],
  // NEXT_OUTPUT=standalone makes a folder that runs without node_modules.
  output: process.env.NEXT_OUTPUT === 'standalone' ? 'standalone' : undefined,
  // This folder is the app, though there is a package around it.
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
}

export default nextConfig
