using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Threading;
using Newtonsoft.Json.Linq;

namespace GodotSDK.Tests;

public static class JsonTests
{
    private static JToken Parse(string text) => Json.TryParse(text, out var token, out var why) ? token! : throw new CheckFailed(why);

    private static void Refuses(string text) => Check.That(!Json.TryParse(text, out _, out var why) && why != "", $"took {text[..Math.Min(40, text.Length)]}");

    private static string Nested(int depth) => new string('[', depth) + new string(']', depth);

    public static void TestWhatIsNotJsonIsRefused()
    {
        foreach (var text in new[] { "", "{", "nonsense", "{} {}", "{\"a\":}", "[1,2", "\"\\uD83D\"", "1e", "tru" }) Refuses(text);
    }

    /// <summary>What more generous readers take, and other SDKs do not.</summary>
    public static void TestWhatOnlyLooksLikeJsonIsRefused()
    {
        foreach (var text in new[]
        {
            "{'a':1}", "{a:1}", "[1,]", "{\"a\":1,}", "[,1]", "{,}", "NaN", "-Infinity", "undefined", "01", "+1", "-", ".5", "1.", "0x10", "1e+", "-01", "1_0",
            "/* a */1", "1//", "\"\t\"", "\"\\x41\"", "\"\\u00g0\"", "\"\\u12", "\"", "\"\\", "\"a\\\"", "nul", "truex", "[1 2]", "{\"a\" 1}", "{1:2}",
            "\u00a01", "\ufeff{}", "[", "]", "}", "{\"a\"", "\"\n\"", "1 2", "\0", "{}\0",
        }) Refuses(text);
    }

    public static void TestWhatIsJsonIsTaken()
    {
        Check.JsonEqual("[1]", Parse(" \t\r\n[ 1 ]\n "));
        Check.JsonEqual("{\"a\":[],\"b\":{},\"\":\"\"}", Parse("{ \"a\" : [ ] , \"b\":{ },\"\":\"\" }"));
        Check.Equal("\"\\/\b\f\n\r\tAä", (string?)Parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00E4\""));
        Check.List(new[] { "0", "-0", "-7", "1.5e3", "1E-2", "9223372036854775807", "18446744073709551615" }.Select(text => Parse(text).ToString(Newtonsoft.Json.Formatting.None)),
            "0", "0", "-7", "1500.0", "0.01", "9223372036854775807", "18446744073709551615");
        Check.Equal("\u007f\u0080\ufffe", (string?)Parse("\"\u007f\u0080\ufffe\""));
    }

    public static void TestDepth()
    {
        Parse(Nested(60));
        Parse(Nested(500));
        Refuses(Nested(600));
        Refuses(Nested(10_000));
        Refuses(new string('[', 1_000_000));
        Refuses(string.Concat(Enumerable.Repeat("{\"a\":", 10_000)));
    }

    public static void TestHalvesOfSurrogatePairsAreRefused()
    {
        foreach (var bad in new[] { @"""\ud83d""", @"""\ude00""", @"""\ud83d\n""", @"""\ud83dx\ude00""", @"""\\\ud83d""", @"{""\ud800"":1}", @"""\uDBFF\uDBFF""" }) Refuses(bad);
        Check.Equal("😀", (string?)Parse(@"""\ud83d\ude00"""));
        Check.Equal(@"\ud83d", (string?)Parse(@"""\\ud83d"""));
        Check.Equal("\u00e4\n", (string?)Parse(@"""\u00e4\n"""));
    }

    public static void TestTextStaysText()
    {
        Check.Equal(JTokenType.String, Parse("\"2026-11-29T12:00:00Z\"").Type);
        Check.Equal("a\0\u2028e\u0301", (string?)Parse("\"a\\u0000\u2028e\u0301\""));
    }

    public static void TestWholeNumbers()
    {
        var texts = new[] { "7", "7.0", "7e0", "9007199254740992", "0", "-1", "7.5", "\"7\"", "9007199254740993", "9223372036854775808", "1e400", "null", "true", "[]" };
        Check.List(texts.Select(text => Json.Whole(Parse(text))?.ToString() ?? "-"), "7", "7", "7", "9007199254740992", "0", "-", "-", "-", "-", "-", "-", "-", "-", "-");
        Check.Equal(null, Json.Whole(null));
    }

    public static void TestHugeNumbersAreNoCrash()
    {
        var huge = new string('9', 100_000);
        Json.TryParse(huge, out _, out _);
        Json.TryParse(huge + ".5e" + huge, out _, out _);
    }

    public static void TestOfDuplicateKeysTheLastWins() => Check.Equal(2, (int)Parse("{\"a\":1,\"a\":2}")["a"]!);

    public static void TestPayloads()
    {
        Check.Equal("null", default(Payload).Text);
        Check.Equal("""{"x":1.5,"name":"Ä\"","list":[1,true,null],"sub":{"a":"b"}}""", Payload.Of(
            ("x", 1.5), ("name", "Ä\""), ("list", new object?[] { 1, true, null }), ("sub", new Dictionary<string, string> { ["a"] = "b" })).Text);
        Payload token = new JObject { ["a"] = 1 };
        Check.Equal("""{"a":1}""", token.Text);
        Payload members = new Dictionary<string, object?> { ["p"] = token, ["u"] = ulong.MaxValue, ["d"] = 1.1m, ["b"] = (byte)3 };
        Check.Equal("""{"p":{"a":1},"u":18446744073709551615,"d":1.1,"b":3}""", members.Text);
        Check.Equal("[1]", Payload.Write(writer =>
        {
            writer.WriteStartArray();
            writer.WriteValue(1);
            writer.WriteEndArray();
        }).Text);
        Check.Equal("""{"X":1,"Y":"z"}""", Payload.Reflect(new { X = 1, Y = "z" }).Text);
        Check.Equal("""["a",1,1.5,true,null]""", Payload.From(new Payload[] { "a", 1, 1.5, true, (string?)null }).Text);
    }

    public static void TestNumbersDoNotFollowTheCulture()
    {
        var before = Thread.CurrentThread.CurrentCulture;
        var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        comma.NumberFormat.NumberDecimalSeparator = ",";
        Thread.CurrentThread.CurrentCulture = comma;
        try
        {
            Check.Equal("1.5", Payload.From(1.5).Text);
            Check.Equal(1.5, (double)Parse("1.5"));
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = before;
        }
    }

    public static void TestWhatJsonDoesNotHaveIsRefusedAtOnce()
    {
        foreach (var value in new object[] { double.NaN, float.PositiveInfinity, new JValue(double.NaN), new object(), DayOfWeek.Friday, new Dictionary<int, int> { [1] = 1 } })
        {
            try
            {
                Payload.From(value);
            }
            catch (GodraException e) when (e.Code == "bad_request" && e.Outcome == Outcome.None)
            {
                continue;
            }
            throw new CheckFailed($"took {value}");
        }
    }

    public static void TestWhatHoldsItselfIsRefused()
    {
        var members = new Dictionary<string, object?>();
        members["itself"] = members;
        var items = new List<object>();
        items.Add(items);
        var node = new Node();
        node.Next = node;
        JToken deep = 1;
        for (var level = 0; level < 10_000; level++) deep = new JArray(deep);
        foreach (var make in new Func<Payload>[] { () => members, () => Payload.From(items), () => deep, () => Payload.Reflect(node) })
        {
            try
            {
                make();
            }
            catch (GodraException e) when (e.Code == "bad_request")
            {
                continue;
            }
            throw new CheckFailed("took what has no end");
        }
        Payload.From(JToken.Parse(Nested(60)));
    }

    public sealed class Node
    {
        public Node? Next { get; set; }
    }
}
