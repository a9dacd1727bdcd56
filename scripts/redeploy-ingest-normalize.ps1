# Redeploy ingest-normalize: package, upload, update, test. Usage: scripts/redeploy-ingest-normalize.ps1 [ENV] [OPTION...]
# Options are those of `vectora-normalize deploy`, such as --dry-run.
$ErrorActionPreference = "Stop"
$environment = if ($args.Count -gt 0) { $args[0] } else { "dev" }
$options = @($args | Select-Object -Skip 1)
Push-Location (Join-Path $PSScriptRoot "..")
try {
    vectora-normalize package --requirements infra/requirements.txt
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    vectora-normalize deploy --env $environment $options
    exit $LASTEXITCODE
}
finally {
    Pop-Location # also after an exit, so that the caller's working directory does not change
}
