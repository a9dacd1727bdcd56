#!/usr/bin/env bash
# Redeploy ingest-normalize: package, upload, update, test. Usage: scripts/redeploy-ingest-normalize.sh [ENV] [OPTION...]
# Options are those of `vectora-normalize deploy`, such as --dry-run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
vectora-normalize package --requirements infra/requirements.txt
vectora-normalize deploy --env "${1:-dev}" "${@:2}"
