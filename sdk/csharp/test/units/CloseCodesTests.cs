using System.Linq;

namespace GodotSDK.Tests;

public static class CloseCodesTests
{
    public static void TestTheseComeBack() =>
        Check.List(Enumerable.Range(1000, 20).Concat([3000, 3999]).Where(CloseCodes.ComesBack), 1001, 1005, 1006, 1011, 1012, 1013, 1014);

    public static void TestOfTheServersOwnTheLowerHalf() =>
        Check.List(new[] { 4000, 4001, 4003, 4499, 4500, 4503, 4999, 5000 }.Where(CloseCodes.ComesBack), 4000, 4001, 4003, 4499);

    public static void TestTheseWaitLonger() => Check.List(Enumerable.Range(1000, 4000).Where(CloseCodes.IsGentle), 1001, 4003);
}
