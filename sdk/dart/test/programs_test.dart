@Tags(['server'])
library;

import 'dart:io';

import 'package:test/test.dart';

import 'harness/godra_server.dart';

/// What the documentation shows, as it stands.
void main() {
  late GodraServer server;

  setUp(() async => server = await GodraServer.start());
  tearDown(() => server.stop());

  Future<ProcessResult> run(String program) => Process.run(
        Platform.resolvedExecutable,
        ['--packages=${Platform.packageConfig ?? 'test/packages.json'}', program, server.url],
      ).timeout(const Duration(seconds: 25));

  test('the quickstart of the README: two players see each other, in less than 20 lines', () async {
    final readme = File('README.md').readAsStringSync();
    final code = RegExp(r'```dart\n(.*?)```', dotAll: true).firstMatch(readme)!.group(1)!;
    expect(code.trimRight().split('\n').length, lessThan(20));
    final folder = await Directory.systemTemp.createTemp('godra-quickstart-');
    addTearDown(() => folder.delete(recursive: true));
    final program = File('${folder.path}/quickstart.dart')..writeAsStringSync(code);
    final ended = await run(program.path);
    expect([ended.stdout, ended.exitCode], ['Bob sees Ann at 3.0, 4.5\n', 0], reason: '${ended.stderr}');
  });

  test('the example', () async {
    final ended = await run('example/main.dart');
    expect(ended.exitCode, 0, reason: '${ended.stderr}');
    expect(ended.stdout, contains('joined lobby'));
    expect(ended.stdout, contains('they say: hello'));
    expect(ended.stdout, contains('over: left'));
  });
}
