#!/usr/bin/env bash
# Run the tables of failures with every client, each in an environment of its own, and sum the rows. Requires the
# package index; the packages are not in the lock. Usage: scripts/conformance_matrix.sh [ENVIRONMENT...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# name | requirements | what to run: --client options, or none for all that is installed
environments=(
  "boto3-oldest|boto3==1.43.11 botocore==1.43.11|BedrockRuntime boto3 urllib"
  "boto3-newest|boto3|BedrockRuntime boto3"
  "http|aiobotocore aiohttp httpx httpx2 requests|aiobotocore aiohttp httpx httpx2 requests"
  "sdks-0|anthropic[bedrock]<1 openai<2|anthropic openai"
  "sdks-1|anthropic[bedrock]<2 openai<3|anthropic openai"
  "sdks-newest|anthropic[bedrock] openai|anthropic openai"
  "langchain|langchain-aws|langchain-aws"
  "litellm|litellm|litellm"
  "instructor|instructor boto3|instructor"
  "pydantic-ai|pydantic-ai-slim[bedrock]|pydantic-ai-slim"
  "strands|strands-agents|strands-agents"
  "haystack|amazon-bedrock-haystack|amazon-bedrock-haystack"
  "llama-index|llama-index-llms-bedrock-converse|llama-index-llms-bedrock-converse"
)

uv=${UV:-.venv-dev/bin/uv}
rows=0 wrong=0
for environment in "${environments[@]}"; do
  IFS="|" read -r name requirements clients <<<"$environment"
  if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
  folder=".venv-conformance/$name"
  "$uv" venv --quiet --clear "$folder"
  # shellcheck disable=SC2086 - a list of words
  "$uv" pip install --quiet --python "$folder/bin/python" --editable ".[cli]" $requirements
  options=()
  for client in $clients; do options+=(--client "$client"); done
  "$folder/bin/bedrock-resilience" conformance "${options[@]}" >"$folder/table.txt" || true
  last=$(tail -n 1 "$folder/table.txt")
  if [[ ! $last =~ ^([0-9]+)\ rows,\ ([0-9]+)\ wrong$ ]]; then
    echo "$name: no table, see $folder/table.txt" >&2
    exit 1
  fi
  rows=$((rows + BASH_REMATCH[1])) wrong=$((wrong + BASH_REMATCH[2]))
  echo "$name: $last"
  grep -E "^FAILED|skipped$" "$folder/table.txt" || true
done
echo "$rows rows, $wrong wrong"
((wrong == 0))
