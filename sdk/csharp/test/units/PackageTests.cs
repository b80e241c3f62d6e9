using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

/// <summary>What is in the packages for NuGet, Unity and Godot, beside the source.</summary>
public static class PackageTests
{
    private static string Package => Path.Combine(Environment.GetEnvironmentVariable("GODRA_REPOSITORY") ?? Directory.GetCurrentDirectory(), "sdk/csharp/GodotSDK");

    private static string Read(string file) => File.ReadAllText(Path.Combine(Package, file));

    public static void TestEachFileHasItsOwnGuidForUnity()
    {
        var all = Directory.GetFileSystemEntries(Package, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Package, path))
            .Where(path => !Regex.IsMatch(path, "^(bin|obj)(/|$)")).ToList();
        var metas = all.Where(path => path.EndsWith(".meta")).ToHashSet();
        var missing = all.Where(path => !path.EndsWith(".meta") && !metas.Contains(path + ".meta"));
        Check.List(missing.Concat(metas.Where(path => !all.Contains(path[..^".meta".Length]))));
        var guids = metas.Select(path => Regex.Match(Read(path), @"\Afil.*\nguid: ([0-9a-f]{32})\n").Groups[1].Value).ToList();
        Check.That(guids.Count > 50 && guids.All(guid => guid != ""), "each has one");
        Check.Equal(guids.Count, guids.Distinct().Count(), "different ones:");
        // Of what scenes refer to: they would lose it.
        Check.That(Read("Unity/GodraBehaviour.cs.meta").Contains("guid: 70a1d240bb371096de20091f63617780"), "the component's never changes");
    }

    public static void TestVersionsAgree()
    {
        var project = XDocument.Parse(Read("GodotSDK.csproj")).Descendants("Version").Single().Value;
        Check.Equal(project, (string?)JObject.Parse(Read("package.json"))["version"]);
        Check.Equal(project, Regex.Match(Read("CHANGELOG.md"), @"^## (\S+)", RegexOptions.Multiline).Groups[1].Value, "the newest in CHANGELOG.md:");
    }

    public static void TestTheProjectHasWhatNuGetShows()
    {
        var project = XDocument.Parse(Read("GodotSDK.csproj"));
        foreach (var (name, value) in new[]
        {
            ("TargetFrameworks", "netstandard2.1;net8.0"), ("LangVersion", "9"), ("PackageId", "Godra.Client"), ("PackageLicenseExpression", "MIT"),
            ("PackageReadmeFile", "README.md"), ("PackageIcon", "icon.png"), ("GenerateDocumentationFile", "true"), ("Deterministic", "true"),
        }) Check.Equal(value, project.Descendants(name).Single().Value, name);
        foreach (var file in project.Descendants("None").Select(item => item.Attribute("Include")!.Value).SelectMany(files => files.Split(';')))
        {
            Check.That(File.Exists(Path.Combine(Package, file)), file);
        }
    }

    public static void TestUnityGetsTheJsonLibraryThatTheAssemblyNames()
    {
        Check.That(JObject.Parse(Read("package.json"))["dependencies"]!["com.unity.nuget.newtonsoft-json"] != null, "the package");
        Check.List(JObject.Parse(Read("GodotSDK.asmdef"))["precompiledReferences"]!.Select(name => (string)name!), "Newtonsoft.Json.dll");
    }

    public static void TestWhatLinkXmlKeepsIsThere()
    {
        var kept = XDocument.Parse(Read("link.xml")).Descendants("type").Select(type => type.Attribute("fullname")!.Value);
        foreach (var name in kept) Check.That(File.Exists(Path.Combine(Package, "Unity", name.Split('.')[^1] + ".cs")), name);
    }

    public static void TestAllThatIsPublicIsDocumented()
    {
        var documented = XDocument.Load(Path.Combine(AppContext.BaseDirectory, "GodotSDK.xml")).Descendants("member")
            .Where(member => member.Elements().Any(one => one.Name == "summary" || one.Name == "inheritdoc"))
            .Select(member => Regex.Replace(member.Attribute("name")!.Value, @"^.:|\(.*|``\d+|~.*", "")).ToHashSet();
        var missing = typeof(GodotClient).Assembly.GetExportedTypes().SelectMany(NamesOf).Where(name => !documented.Contains(name)).ToList();
        Check.List(missing);
        Check.That(documented.Count > 200, "the documentation is there");
    }

    private static IEnumerable<string> NamesOf(Type type)
    {
        const BindingFlags own = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        yield return type.FullName!;
        // A delegate's members are the compiler's.
        if (type.IsSubclassOf(typeof(Delegate))) yield break;
        foreach (var member in type.GetMembers(own).Where(IsWritten)) yield return $"{type.FullName}.{member.Name.Replace('.', '#')}";
    }

    // Without the compiler's own: accessors, and constructors that nobody wrote.
    private static bool IsWritten(MemberInfo member) => member switch
    {
        ConstructorInfo constructor => constructor.GetParameters().Length > 0,
        MethodInfo method => !method.IsSpecialName || method.Name.StartsWith("op_"),
        FieldInfo field => !field.IsSpecialName,
        _ => true,
    };
}
