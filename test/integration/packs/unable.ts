#!/usr/bin/env node
// A policy pack that cannot start.
throw new Error("the pack's own mistake");
