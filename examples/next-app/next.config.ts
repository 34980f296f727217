import type { NextConfig } from 'next'

const nextConfig: NextConfig = {
  // Node loads a native addon; a bundle cannot contain it.
  serverExternalPackages: ['media-credits'],
  // With NEXT_OUTPUT=standalone the build is a folder that runs without node_modules.
  output: process.env.NEXT_OUTPUT === 'standalone' ? 'standalone' : undefined,
  // The root of the app is this folder, not the package around it.
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
}

export default nextConfig
