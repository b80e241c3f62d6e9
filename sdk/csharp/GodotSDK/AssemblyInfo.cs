#nullable enable
using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("GodotSDK.Tests")]
