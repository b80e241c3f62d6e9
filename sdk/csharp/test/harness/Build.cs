using System;
using System.IO;

namespace GodotSDK.Tests;

/// <summary>The tests run twice, see the script.</summary>
internal static class Build
{
    /// <summary>Whether the SDK was compiled as for .NET Standard 2.1.</summary>
    public static bool IsStandard => Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)) == "standard";
}
