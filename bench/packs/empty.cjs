#!/usr/bin/env node
// A policy pack without a rule, by Pulumi's own SDK; run in bench/packs, where the SDK looks for its version.
const { PolicyPack } = require("@pulumi/policy");
new PolicyPack("empty", { policies: [] });
