# Sourced by what compiles C# here: how the SDK, and programs that use it, are compiled and run. Needs `set -euo pipefail`.
# Installs what it takes (see install), and leaves everything in target/csharp.

readonly csharp_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly csharp=$csharp_root/sdk/csharp
readonly csharp_out=$csharp_root/target/csharp
# All but what touches an engine.
readonly sdk_sources=("$csharp"/GodotSDK/*.cs "$csharp"/GodotSDK/Testing/*.cs)
readonly modern=NETCOREAPP,NET5_0_OR_GREATER,NET6_0_OR_GREATER,NET7_0_OR_GREATER,NET8_0_OR_GREATER

"$csharp/install"
# shellcheck source=/dev/null
. "$csharp_root/target/tools/csharp/env"
readonly newtonsoft=$CSHARP_TOOLS/roslyn/Newtonsoft.Json.dll

# compile OUTPUT SWITCHES_AND_FILES...: into target/csharp. Others may run what was there meanwhile.
compile() {
  local output=$csharp_out/$1 fresh
  shift
  mkdir -p "$(dirname "$output")"
  fresh=$(mktemp -d "$(dirname "$output")/.new.XXXXXX")
  # 1701: the JSON library was made for an older .NET, as is usual.
  "$CSC_RUNNER" "$CSC" -nologo -noconfig -nostdlib -nullable:enable -warnaserror -nowarn:1701,1702 -deterministic -debug:portable \
    "$(csharp_references)" -r:"$newtonsoft" -out:"$fresh/$(basename "$output")" "$@" || { rm -rf "$fresh"; return 1; }
  mv "$fresh"/* "$(dirname "$output")"
  rmdir "$fresh"
}

# The SDK as for .NET 8, in target/csharp/core, with the JSON library beside it; only if a source is newer.
build_sdk() {
  is_older "$csharp_out/core/GodotSDK.dll" "${sdk_sources[@]}" || return 0
  compile core/GodotSDK.dll -target:library -langversion:9 -define:$modern -doc:"$csharp_out/core/GodotSDK.xml" "${sdk_sources[@]}"
  cp "$newtonsoft" "$csharp_out/core"
}

# build_program NAME SWITCHES_AND_FILES...: a program on that SDK, as target/csharp/core/NAME.dll; only if it or the SDK is newer.
build_program() {
  local name=$1 file files=()
  shift
  for file in "$@"; do [[ $file == -* ]] || files+=("$file"); done
  build_sdk
  is_older "$csharp_out/core/$name.dll" "$csharp_out/core/GodotSDK.dll" "${files[@]}" || return 0
  runtime_config >"$csharp_out/core/$name.runtimeconfig.json"
  compile "core/$name.dll" -target:exe -r:"$csharp_out/core/GodotSDK.dll" "$@"
}

# is_older FILE OTHERS...: whether it is not there, or one of the others is newer.
is_older() {
  local file=$1 other
  shift
  [ -f "$file" ] || return 0
  for other in "$@"; do [ "$other" -nt "$file" ] && return 0; done
  return 1
}

csharp_references() {
  local files
  files=("$DOTNET_ROOT/shared/Microsoft.NETCore.App/$(runtime_version)"/*.dll)
  (IFS=,; echo "-r:${files[*]}")
}

# The one that programs for .NET 8 run on: the newest 8.x, or else of the next version that there is.
runtime_version() {
  local versions major
  versions=$(ls "$DOTNET_ROOT/shared/Microsoft.NETCore.App")
  major=$(cut -d. -f1 <<<"$versions" | sort -n | awk '$1 >= 8 && !found { found = 1; print }')
  grep "^$major\." <<<"$versions" | sort -V | tail -1
}

runtime_config() {
  cat <<'JSON'
{"runtimeOptions":{"framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"},"rollForward":"Major",
 "configProperties":{"System.Globalization.Invariant":true}}}
JSON
}
