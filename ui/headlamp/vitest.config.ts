import { defineConfig } from 'vitest/config';

// The tests are of pure functions: they need no browser and none of Headlamp.
export default defineConfig({ test: { environment: 'node', include: ['src/**/*.test.ts'] } });
