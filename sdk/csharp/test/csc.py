"""The C# compiler as a program, for machines without a .NET SDK: takes the switches and files of csc, and exits with 1 on errors.

Roslyn runs in the .NET runtime that DOTNET_ROOT names, loaded into this process. CSHARP_TOOLS/roslyn holds the compiler.
"""
import os
import sys
import tempfile

RUNTIME_CONFIG = (
    '{"runtimeOptions":{"tfm":"net8.0","rollForward":"Major","framework":{"name":"Microsoft.NETCore.App","version":"8.0.0"},'
    '"configProperties":{"System.Globalization.Invariant":true}}}'
)


def load_roslyn():
    from clr_loader import get_coreclr
    from pythonnet import set_runtime

    with tempfile.NamedTemporaryFile("w", suffix=".runtimeconfig.json") as config:
        config.write(RUNTIME_CONFIG)
        config.flush()
        set_runtime(get_coreclr(runtime_config=config.name, dotnet_root=os.environ["DOTNET_ROOT"]))
        import clr
    for name in ("Microsoft.CodeAnalysis", "Microsoft.CodeAnalysis.CSharp"):
        clr.AddReference(f"{os.environ['CSHARP_TOOLS']}/roslyn/{name}.dll")


def compile_all(switches):
    from Microsoft.CodeAnalysis import MetadataReference, SyntaxTree
    from Microsoft.CodeAnalysis.CSharp import CSharpCommandLineParser, CSharpCompilation, CSharpSyntaxTree
    from Microsoft.CodeAnalysis.Text import SourceText
    from System import Array, String
    from System.Collections.Generic import List
    from System.IO import File, MemoryStream
    from System.Text import Encoding

    args = CSharpCommandLineParser.Default.Parse(Array[String](switches), os.getcwd(), None)
    trees, references = List[SyntaxTree](), List[MetadataReference]()
    for file in args.SourceFiles:
        text = SourceText.From(File.ReadAllText(file.Path), Encoding.UTF8)
        trees.Add(CSharpSyntaxTree.ParseText(text, args.ParseOptions, file.Path))
    for reference in args.MetadataReferences:
        references.Add(MetadataReference.CreateFromFile(reference.Reference))
    compilation = CSharpCompilation.Create(args.CompilationName or "a", trees, references, args.CompilationOptions)
    program, symbols, docs = MemoryStream(), MemoryStream(), MemoryStream()
    result = compilation.Emit(program, symbols, docs)
    messages = [str(e) for e in args.Errors]
    messages += [d.ToString() for d in result.Diagnostics if int(d.Severity) >= 2 and not d.IsSuppressed]
    for message in messages:
        print(message, file=sys.stderr)
    if not result.Success or messages:
        return 1
    out = os.path.join(args.OutputDirectory, args.OutputFileName)
    File.WriteAllBytes(out, program.ToArray())
    File.WriteAllBytes(os.path.splitext(out)[0] + ".pdb", symbols.ToArray())
    if args.DocumentationPath:
        File.WriteAllBytes(args.DocumentationPath, docs.ToArray())
    return 0


load_roslyn()
code = compile_all(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
# The runtime's own threads must not keep the process.
os._exit(code)
