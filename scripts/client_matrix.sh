#!/usr/bin/env bash
# Run other projects' clients under `protect` against the emulator, each in an environment of its own, and print what each
# sent. Needs a network for the packages, which are not in the lock. Use: scripts/client_matrix.sh [ENVIRONMENT...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# name | requirements | the clients of benchmarks/clients to run | the page of docs/how-to/recipes to run | the folder of
# examples whose tests to run
environments=(
  "boto3-oldest|boto3==1.43.11 botocore==1.43.11|boto3|boto3|"
  "boto3-newest|boto3|boto3|boto3|"
  "aiobotocore|aiobotocore|aiobotocore|aiobotocore|"
  "anthropic-0|anthropic[bedrock]<1|anthropic|anthropic|"
  "anthropic-1|anthropic[bedrock]<2|anthropic|anthropic|"
  "anthropic-newest|anthropic[bedrock]|anthropic|anthropic|"
  "openai-1|openai<2|openai|openai|"
  "openai-2|openai<3|openai|openai|"
  "openai-newest|openai|openai|openai|"
  "langchain|langchain-aws langchain-tests|langchain-aws|langchain|langchain_app"
  "strands|strands-agents pytest|strands-agents|strands|strands_app"
  "pydantic-ai|pydantic-ai-slim[bedrock]|pydantic-ai|pydantic-ai|"
  "llama-index|llama-index-llms-bedrock-converse llama-index-embeddings-bedrock|llama-index|llama-index|"
  "litellm|litellm|litellm|litellm|"
  "instructor|instructor boto3|instructor|instructor|"
  "haystack|amazon-bedrock-haystack|haystack|haystack|"
  "async-service|aiobotocore fastapi httpx pytest|||async_service"
)

uv=${UV:-.venv-dev/bin/uv}
failed=()
for environment in "${environments[@]}"; do
  IFS="|" read -r name requirements clients page example <<<"$environment"
  if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
  folder=".venv-clients/$name"
  "$uv" venv --quiet --clear "$folder"
  # shellcheck disable=SC2086 - a list of words
  "$uv" pip install --quiet --python "$folder/bin/python" --editable . $requirements
  echo "== $name"
  if [[ -n $clients ]]; then
    # shellcheck disable=SC2086 - a list of words
    "$folder/bin/python" -W ignore -m benchmarks.clients $clients 2>"$folder/errors.txt" || failed+=("$name")
  fi
  if [[ -n $page ]]; then
    "$folder/bin/python" -W ignore -m benchmarks.clients.recipes "$page" 2>>"$folder/errors.txt" || failed+=("$name-recipe")
  fi
  if [[ -n $example ]]; then
    "$folder/bin/python" -W ignore -m pytest -q -c /dev/null --noconftest -p no:cacheprovider "examples/$example" |
      tail -n 3 || failed+=("$name-example")
  fi
  if [[ $name == langchain ]]; then
    # LangChain's own tests of a chat model. One downloads a picture and is left out.
    "$folder/bin/python" -m pytest -q -c /dev/null --noconftest -p no:cacheprovider -o asyncio_mode=auto \
      -k "not image_inputs" \
      benchmarks/clients/langchain_standard.py | tail -n 3 || failed+=("$name-standard")
  fi
done
if ((${#failed[@]})); then
  echo "wrong: ${failed[*]}" >&2
  exit 1
fi
